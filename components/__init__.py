"""KFP components, one folder each: a signature and one call; the work, one or more steps, is in `task.py`."""

# The project's images hold palm with all its dependencies, at the versions of constraints.txt.
IMAGE = "localhost/palm:0.1.0-cpu"
GPU_IMAGE = "localhost/palm:0.1.0-gpu"
