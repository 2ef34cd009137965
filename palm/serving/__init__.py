"""From preference weights to a policy."""
