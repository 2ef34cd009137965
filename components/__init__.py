"""KFP components, one folder each: a signature and one call; the work, one or more steps, is in `task.py`."""
