"""Component: one policy measured on the held-out prompts."""
