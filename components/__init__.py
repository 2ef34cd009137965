"""KFP components: one folder a step, each a thin call of the function of the same name in `palm.stages`."""

# The project's images hold palm with all its dependencies, at the versions of constraints.txt.
IMAGE = "localhost/palm:0.1.0-cpu"
GPU_IMAGE = "localhost/palm:0.1.0-gpu"
