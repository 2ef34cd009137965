"""What is decided when a pipeline is compiled; all else are inputs of its runs."""

from dataclasses import dataclass

from palm.components import GPU_IMAGE, IMAGE
from palm.config.pods import SECRET_KEYS
from palm.errors import ConfigError

__all__ = ["SECRET_KEYS", "CompileSettings"]


@dataclass(frozen=True)
class CompileSettings:
    """What KFP takes only at compile time.

    Attributes:
        parallel: how many groups of policies are trained at once, at least 1: an upper bound on the GPU pods of a run.
        image: image of the tasks that need no GPU.
        gpu_image: image of the tasks that sample, train and evaluate.
        retries: how often a failed or preempted task is tried again, at least 0.
        hours: time limit of a task that samples, evaluates or trains (a whole group of policies), in hours, at least 1.
        cache_claim: PersistentVolumeClaim in which tasks keep what they download; None: nothing is kept.
        ca_config_map: ConfigMap whose key ca.crt tasks trust (PEM); None: the public authorities.

    Raises:
        ConfigError: a number is out of its range.
    """

    parallel: int = 4
    image: str = IMAGE
    gpu_image: str = GPU_IMAGE
    retries: int = 3
    hours: int = 24
    cache_claim: str | None = None
    ca_config_map: str | None = None

    def __post_init__(self):
        """Check the ranges."""
        for name, least in (("parallel", 1), ("retries", 0), ("hours", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name}={getattr(self, name)}", rule=f"must be >= {least}", remedy="raise it")
