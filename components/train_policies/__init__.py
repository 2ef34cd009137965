"""Component: the policies of a group, one for each vector of preference weights."""
