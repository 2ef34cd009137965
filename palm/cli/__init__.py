"""The command `palm`."""
