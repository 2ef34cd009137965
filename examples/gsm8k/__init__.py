"""GSM8K: school arithmetic with checkable annotations, and rewards that need no judge."""
