"""Component: the reference policy and its scored rollouts."""
