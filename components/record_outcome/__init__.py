"""Component: the outcome of a build, recorded even when it failed."""
