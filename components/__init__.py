"""KFP components, one folder each: a signature and one call; the work, one or more steps, is in `task.py`."""

from palm.config.cluster import GPU_IMAGE, IMAGE

__all__ = ["GPU_IMAGE", "IMAGE"]
