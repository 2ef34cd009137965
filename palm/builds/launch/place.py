"""Where a TrainJob's nodes and the process that started it leave things for each other in the store."""

INPUTS = "train-job-inputs"
"""Prefix of what many TrainJobs read: base models and rollouts, named by content."""

REQUEST, RESULT = "request", "result"
"""Entries below a TrainJob's own prefix."""

TRAINED = "trained.json"
"""File of the result that holds what the training says of itself."""
