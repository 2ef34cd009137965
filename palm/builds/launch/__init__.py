"""Launching a training: in this process, in several processes, or as a TrainJob."""
