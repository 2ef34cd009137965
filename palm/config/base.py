"""The base class of the sections of the configuration."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer


class Section(BaseModel):
    """A frozen section; unknown keys, NaN and infinities are refused.

    Attributes:
        ADDED: keys that earlier versions did not have. At their defaults they are left out of dumps, of which names of
            stored work are made.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    ADDED: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _without_added_defaults(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        unset = {name for name in self.ADDED if getattr(self, name) == type(self).model_fields[name].default}
        return {name: value for name, value in dump(self).items() if name not in unset}
