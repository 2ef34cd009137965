"""Component: one policy for one vector of preference weights."""
