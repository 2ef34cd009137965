"""What a run is given: the configuration and the resources of its tasks."""

import json
import re
from typing import Annotated

from pydantic import Field, StringConstraints, ValidationError

from palm.config.base import Section
from palm.config.portfolio import PortfolioConfig
from palm.config.resolve import publish_config
from palm.config.train_job import Quantity, Toleration
from palm.errors import ClusterError

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
"""The name of an object in Kubernetes."""


class Resources(Section):
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

    accelerator: str = Field("nvidia.com/gpu", pattern=r"^[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?$")
    accelerator_count: int = Field(1, ge=0)
    training_accelerator_count: int = Field(1, ge=0)
    cpu: Quantity = "4"
    memory: Quantity = "32Gi"
    node_selector: dict[str, str] = Field({})
    tolerations: tuple[Toleration, ...] = ()
    secret: Name = "palm-credentials"

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
        given = {
            "node_selector": read_json("--node-selector", node_selector, dict),
            "tolerations": read_json("--tolerations", tolerations, list),
            **others,
        }
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            option, *inside = problem["loc"]
            place = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in inside)
            raise ClusterError(
                f"--{str(option).replace('_', '-')}{place}={problem['input']!r}",
                rule=re.sub("^String", "it", problem["msg"].removeprefix("Value error, ")),
                remedy=_REMEDIES.get(option, "write it as Kubernetes does"),
            ) from error

    def check_training(self, config: PortfolioConfig) -> None:
        """Check that a task that trains gets the GPUs that it will use, before anything is spent.

        Args:
            config: the configuration.

        Raises:
            ClusterError: it would get more or fewer.
        """
        settings, count = config.training, self.training_accelerator_count
        if settings.launcher == "trainjob" and count:
            raise ClusterError(
                f"--training-accelerator-count={count}",
                rule="would be idle: with training.launcher=trainjob the nodes of TrainJobs train",
                remedy="set it to 0",
            )
        if settings.launcher == "pod" and count and count != settings.processes:
            raise ClusterError(
                f"--training-accelerator-count={count}",
                rule=f"must be training.processes={settings.processes}, each of which takes one",
                remedy="set them to the same number",
            )
        trains_corners = settings.launcher == "pod" and "soup" in settings.backends
        if trains_corners and 0 < self.accelerator_count < settings.processes:
            raise ClusterError(
                f"--accelerator-count={self.accelerator_count}",
                rule=f"must be at least training.processes={settings.processes}: the task that designs the grid trains "
                "the corner policies of soups",
                remedy="raise it",
            )


_REMEDIES = {
    "cpu": "write e.g. 4 or 500m",
    "memory": "write e.g. 32Gi",
    "node_selector": "labels are text: write their values in quotes",
    "tolerations": "write key, operator, value, effect and tolerationSeconds as in a pod",
}
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
    """The parameters of a run of either pipeline; the configuration is written to the storage.

    Args:
        config: the configuration, with addresses that pods can read.
        resources: of its tasks.

    Returns:
        Name to value.

    Raises:
        ConfigError: the address of the configuration would be too long.
        StorageError: the storage cannot be written.
    """
    return {
        "config": publish_config(config),
        **resources.model_dump(exclude={"tolerations"}),
        "tolerations": [entry.model_dump(exclude_none=True) for entry in resources.tolerations],
        "accelerator_count": str(resources.accelerator_count),
        "training_accelerator_count": str(resources.training_accelerator_count),
    }
