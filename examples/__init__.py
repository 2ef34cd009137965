"""Examples that `palm init` starts from."""
