"""plan.json, champion.json and work.json: how each policy is obtained, and what the gate compares with."""

from typing import Any, ClassVar

from pydantic import Field

from palm.artifacts.base import Artifact, Part, Vector
from palm.errors import DataError


class Training(Part):
    """A weight vector and how its policy is obtained: reused, fine-tuned from an earlier one, or trained from base."""

    weights: Vector = Field(description="Preference weights, length d.")
    keep: str = Field(default="", description="Earlier policy that is reused; empty to train.")
    start: str = Field(default="", description="Earlier policy that the training starts from; empty: the base model.")


class Plan(Artifact):
    """Trainings of a build."""

    FILE: ClassVar[str] = "plan.json"

    trainings: tuple[Training, ...] = Field(description="One per weight vector of the design.")
    earlier: tuple[str, ...] = Field(description="Earlier policies that are candidates for the portfolio.")
    from_version: str | None = Field(description="Version of the champion that they are from; null for none.")
    shortfalls: dict[str, float] = Field(description="Reused policy to J* − J when it was trained.")
    rebuild: dict[str, Any] = Field(description="The section rebuild of the configuration.")


class Planned(Part):
    """Result of the step plan_training: numbers of trainings, in total one per weight vector."""

    kept: int = Field(ge=0, description="In the store already.")
    continued: int = Field(ge=0, description="Fine-tuned from an earlier policy.")
    from_base: int = Field(ge=0, description="Trained from the base model.")
    from_version: str | None = Field(description="Version of the champion that the candidates are from.")


class EarlierChampion(Part):
    """A portfolio that was champion, measured under the present rewards."""

    version: str = Field(description="Version in the registry.")
    members: tuple[str, ...] = Field(default=(), description="Policies of its portfolio.")
    incomparable: str = Field(default="", description="Why its J cannot be compared; empty if it can.")


class Champion(Artifact):
    """The champion's portfolio, measured under the present rewards, and those before it that the gate compares with."""

    FILE: ClassVar[str] = "champion.json"

    version: str | None = Field(default=None, description="Version in the registry; null without a champion.")
    members: tuple[str, ...] = Field(default=(), description="Policies of its portfolio.")
    incomparable: str = Field(default="", description="Why its J cannot be compared; empty if it can.")
    baseline: tuple[EarlierChampion, ...] = Field(
        default=(), description="Champions since a person last reset the baseline that were better for some preference."
    )


class Group(Part):
    """Trainings of one task."""

    name: str
    trainings: tuple[Training, ...]


class Work(Artifact):
    """What the tasks that train, evaluate, select and register need to know of earlier ones."""

    FILE: ClassVar[str] = "work.json"

    base_model: str = Field(description="Name of the prepared base model in the store.")
    rollouts: str = Field(description="Name of the reference policy's rollouts in the store.")
    groups: tuple[Group, ...]

    def group(self, name: str) -> tuple[Training, ...]:
        """Trainings of a group."""
        for group in self.groups:
            if group.name == name:
                return group.trainings
        raise DataError(
            f"group={name!r}", rule="is not in work.json", remedy="give the name of a group that design_grid returned"
        )
