"""Component: one page about the build."""
