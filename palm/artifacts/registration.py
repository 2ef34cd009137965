"""Registration of a portfolio in MLflow: the file of the step register_portfolio."""

from typing import ClassVar

from palm.artifacts.base import Artifact


class Registration(Artifact):
    """A portfolio as it is registered.

    Attributes:
        model: name of the registered model.
        version: its version.
        run_id: the MLflow run of the build, which is open until the report ends it.
        aliases: that the version has got.
    """

    FILE: ClassVar[str] = "registration.json"

    model: str
    version: str
    run_id: str
    aliases: tuple[str, ...]
