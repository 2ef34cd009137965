"""The base class of the sections of the configuration."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A frozen section; unknown keys, NaN and infinities are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
