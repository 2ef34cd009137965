"""Component: scored rollouts of the reference policy."""
