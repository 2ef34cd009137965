"""What a run is given: the configuration and the resources of its tasks."""

import json
from dataclasses import asdict, dataclass, field

from palm.config import PortfolioConfig
from palm.errors import ClusterError


@dataclass(frozen=True)
class Resources:
    """What every task that trains or evaluates asks of the cluster.

    Attributes:
        accelerator: resource name of the accelerator, e.g. ``nvidia.com/gpu``.
        accelerator_count: accelerators of a task that samples or evaluates, ≥ 0.
        training_accelerator_count: accelerators of a task that trains, ≥ 0.
        cpu: cores of a task, as Kubernetes writes quantities.
        memory: memory of a task, as Kubernetes writes quantities.
        node_selector: labels that a node must have.
        tolerations: taints that are tolerated, as in a pod's specification.
        secret: name of the Secret whose keys become environment variables.
    """

    accelerator: str = "nvidia.com/gpu"
    accelerator_count: int = 1
    training_accelerator_count: int = 1
    cpu: str = "4"
    memory: str = "32Gi"
    node_selector: dict = field(default_factory=dict)
    tolerations: list = field(default_factory=list)
    secret: str = "palm-credentials"

    @classmethod
    def from_text(cls, *, node_selector: str, tolerations: str, **others) -> "Resources":
        """Read what a command line can hold only as JSON.

        Args:
            node_selector: JSON object.
            tolerations: JSON list.
            **others: the other attributes.

        Returns:
            The resources.

        Raises:
            ClusterError: a text is not what it must be.
        """
        return cls(
            node_selector=read_json("--node-selector", node_selector, dict),
            tolerations=read_json("--tolerations", tolerations, list),
            **others,
        )


_EXAMPLES = {dict: '{"pool": "gpu"}', list: '[{"key": "nvidia.com/gpu", "operator": "Exists"}]'}


def read_json(option: str, text: str, kind: type):
    """Read the value of an option that is JSON.

    Args:
        option: its name, for the message.
        text: the value.
        kind: dict or list.

    Returns:
        The object or list.

    Raises:
        ClusterError: it is not one.
    """
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, kind):
        raise ClusterError(
            f"{option}={text}",
            rule=f"must be a JSON {'object' if kind is dict else 'list'}",
            remedy=f"write e.g. {_EXAMPLES[kind]}",
        )
    return value


def run_parameters(config: PortfolioConfig, resources: Resources) -> dict:
    """The parameters of a run of either pipeline.

    Args:
        config: the configuration, with addresses that pods can read.
        resources: of its tasks.

    Returns:
        Name to value.
    """
    return {
        "config": config.to_json(),
        **asdict(resources),
        "accelerator_count": str(resources.accelerator_count),
        "training_accelerator_count": str(resources.training_accelerator_count),
    }
