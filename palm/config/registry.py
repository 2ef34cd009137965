"""Section `registry`: the MLflow server, and names that it and palm can address."""

import re

from pydantic import Field, field_validator

from palm.config.base import Section

_LONGEST_NAME = 240
LOG_SUFFIX = "-promotions"
"""End of the name of a registered model that is the promotion log of another one."""


class Registry(Section):
    """The MLflow server that records runs and the portfolio."""

    tracking_uri: str = Field(description="MLflow server (https://…) or SQLite file (sqlite:///relative.db).")
    workspace: str | None = Field(
        None, min_length=1, description="Workspace, of a server that has several; unset: the server's default."
    )
    experiment: str = Field(min_length=1, description="MLflow experiment of the runs.")
    model: str = Field(description="Registered model; one version is one whole portfolio.")

    @field_validator("experiment")
    @classmethod
    def _is_one_line_of_text(cls, name: str) -> str:
        if not name.isprintable() or set(name) & set("<>"):
            raise ValueError("must be one line without < and >")
        return name

    @field_validator("model")
    @classmethod
    def _is_a_name_of_its_own(cls, name: str) -> str:
        # In addresses (models:/NAME@ALIAS), in MLflow's queries and in pages they would be something else.
        if not name.isprintable() or name != name.strip() or not name or set(name) & set("/:@<>'\"`\\"):
            raise ValueError("must be one line without / : @ < > \\ and quotes, with no space at either end")
        if name.endswith(LOG_SUFFIX):
            raise ValueError(f"must not end in {LOG_SUFFIX}, as the logs of promotions do")
        return name

    @field_validator("experiment", "model")
    @classmethod
    def _fits_mlflow(cls, name: str) -> str:
        # MLflow's databases hold 256 characters, also of the names that palm derives; SQLite alone does not say so.
        if len(name) > _LONGEST_NAME:
            raise ValueError(f"has {len(name)} characters, at most {_LONGEST_NAME} fit into MLflow")
        return name

    @field_validator("tracking_uri")
    @classmethod
    def _holds_no_credentials(cls, uri: str) -> str:
        # The message must not contain the value.
        if uri.startswith("http") and "@" in uri:
            raise ValueError(
                "holds a user or password, which would be stored with every build; set MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD instead"
            )
        if not re.match(r"(https?|sqlite)://", uri):
            raise ValueError("must be http://…, https://… or sqlite:///FILE")
        return uri
