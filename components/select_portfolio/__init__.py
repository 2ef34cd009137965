"""Component: the policies that make the portfolio."""
