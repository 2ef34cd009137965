"""Component: the policies of a group, measured on the held-out prompts."""
