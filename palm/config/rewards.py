"""The configuration of rewards: one section for each kind, chosen by the scheme of the uri."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, field_validator, model_validator

from palm.config.base import Section
from palm.config.normalisation import Identity, Normalisation

_FORMS = (
    "python:module:function",
    "python:file.py:function",
    "python:s3://BUCKET/file.py:function",
    "hf:NAME@REVISION",
    "hf:FOLDER",
    "s3://BUCKET/PREFIX",
    "mlflow:models:/NAME@ALIAS",
    "mlflow:models:/NAME/VERSION",
    "verifier:regex",
    "verifier:json",
    "verifier:number",
    "verifier:length",
)


def _uri(pattern: str, description: str):
    """The type of a uri: a pattern for editors, and the same error message for every kind."""

    def check(uri: str) -> str:
        if not re.match(pattern, uri):
            raise ValueError(f"must be one of {', '.join(_FORMS)}")
        return uri

    return Annotated[str, AfterValidator(check), Field(description=description, json_schema_extra={"pattern": pattern})]


class _Reward(Section):
    """Keys of every reward r_i(x, y)."""

    name: str = Field(
        pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=100, description="Unique name: letters, digits, underscores."
    )
    normalisation: Normalisation = Field(Identity(), description="Map of the raw value into [0, 1].")
    timeout_seconds: float = Field(
        600.0,
        gt=0,
        description="Longest time that one call may take, in seconds; a call scores all responses of a step: of the "
        "reference's or a policy's evaluation, or of one step of training.",
    )


class PythonReward(_Reward):
    """A Python function ``f(prompts, responses, **fields)`` that returns one number per response."""

    uri: _uri(
        r"^python:.+:[^:]+$",
        "python:package.module:function or python:path/to/file.py:function; the file may be s3://BUCKET/….py.",
    )


class _Classifying(_Reward):
    """Options of rewards that are sequence classifiers."""

    label: int | str | None = Field(
        None, description="Index or name of the label whose score is the reward; required if the model has several."
    )
    output: Literal["probability", "logit"] = Field(
        "probability",
        description="probability: softmax over the labels, or sigmoid where the model has one label or is "
        "multi-label; logit: the raw score of the label.",
    )
    batch_size: int = Field(32, ge=1, description="Responses scored at once.")
    max_tokens: int | None = Field(
        None,
        ge=1,
        description="Cut longer inputs (prompt and response) at their end to this many tokens, with a warning that "
        "counts them; unset: an input longer than the model can read is an error.",
    )
    dtype: Literal["float32", "bfloat16"] = Field("float32", description="Number format of weights and compute.")

    @field_validator("label", mode="before")
    @classmethod
    def _is_index_or_name(cls, label):
        # YAML reads yes, no, on and off as truth values, which would silently become labels 1 and 0.
        if isinstance(label, bool) or not isinstance(label, int | str | None):
            raise ValueError("must be the index or the name of a label; put a name such as yes or no in quotes")
        return label


class Classifier(_Classifying):
    """A Hugging Face sequence classifier with safetensors weights."""

    uri: _uri(r"^(hf:.+|s3://[^/]+/.+)$", "hf:NAME@REVISION (model hub), hf:FOLDER or s3://BUCKET/PREFIX.")

    @property
    def revision(self) -> str | None:
        """The pinned revision of a hub model; None for a folder or S3."""
        name, _, revision = self.uri.removeprefix("hf:").partition("@")
        return revision if self.uri.startswith("hf:") and not name.startswith("/") and revision else None


class MlflowModel(_Classifying):
    """A registered MLflow model: pyfunc from code (prompt, response and fields in, a number out), or a classifier.

    The keys of classifiers are for models of the transformers flavour only.
    """

    uri: _uri(
        r"^mlflow:models:/[^/@]+(@[^/@]+|/[1-9][0-9]*)$",
        "mlflow:models:/NAME@ALIAS or mlflow:models:/NAME/VERSION, in the registry of the configuration.",
    )


class RegexVerifier(_Reward):
    """1 where the response matches a pattern, else 0."""

    uri: Literal["verifier:regex"] = Field(description="verifier:regex.")
    pattern: str = Field(
        min_length=1, description="Regular expression in Python's syntax; flags go inside, e.g. (?i) for any case."
    )
    mode: Literal["search", "full"] = Field("search", description="Match anywhere in the response, or all of it.")

    _is_regex = field_validator("pattern")(lambda pattern: _checked_pattern(pattern))


class JsonVerifier(_Reward):
    """1 where the response is valid JSON, else 0."""

    uri: Literal["verifier:json"] = Field(description="verifier:json.")
    required: tuple[str, ...] = Field(
        (), description="Keys that must be there; with any, the response must be a JSON object."
    )
    fenced: bool = Field(False, description="Also accept JSON inside one ``` block with nothing around it.")


class NumberVerifier(_Reward):
    """1 where the response's number equals the prompt's answer, else 0; compared exactly, as rationals."""

    uri: Literal["verifier:number"] = Field(description="verifier:number.")
    field: str = Field(description="Field of the prompt records that holds the right number, e.g. answer.")
    pattern: str | None = Field(
        None,
        description="Regular expression of the answer, whose last match counts: its first group, or all of it; "
        "unset: the last number in the response.",
    )
    tolerance: float = Field(0.0, ge=0, description="Largest distance from the right number that still counts.")

    _is_regex = field_validator("pattern")(lambda pattern: pattern and _checked_pattern(pattern))


class LengthVerifier(_Reward):
    """exp(−excess / scale), where excess is how far the response's length misses the target."""

    uri: Literal["verifier:length"] = Field(description="verifier:length.")
    unit: Literal["words", "characters"] = Field("words", description="Words are separated by white space.")
    target: int = Field(ge=0, description="Length that earns 1, in units.")
    scale: float = Field(gt=0, description="Units of excess at which the reward has fallen to 1/e.")
    prefer: Literal["at_most", "at_least", "near"] = Field(
        "at_most", description="Which lengths miss the target: longer ones, shorter ones, or both."
    )

    @model_validator(mode="after")
    def _can_be_missed(self):
        if self.prefer == "at_least" and self.target == 0:
            raise ValueError("target=0, prefer=at_least: every response would earn 1; raise the target")
        return self


_VERIFIERS = {
    "verifier:regex": RegexVerifier,
    "verifier:json": JsonVerifier,
    "verifier:number": NumberVerifier,
    "verifier:length": LengthVerifier,
}
_SCHEMES = {"hf": Classifier, "s3": Classifier, "mlflow": MlflowModel}


def _kind(value) -> str:
    uri = value.get("uri") if isinstance(value, dict) else getattr(value, "uri", None)
    if not isinstance(uri, str):
        return PythonReward.__name__
    return (_VERIFIERS.get(uri) or _SCHEMES.get(uri.partition(":")[0], PythonReward)).__name__


Reward = Annotated[
    Annotated[PythonReward, Tag("PythonReward")]
    | Annotated[Classifier, Tag("Classifier")]
    | Annotated[MlflowModel, Tag("MlflowModel")]
    | Annotated[RegexVerifier, Tag("RegexVerifier")]
    | Annotated[JsonVerifier, Tag("JsonVerifier")]
    | Annotated[NumberVerifier, Tag("NumberVerifier")]
    | Annotated[LengthVerifier, Tag("LengthVerifier")],
    Discriminator(_kind),
]


def _checked_pattern(pattern: str) -> str:
    import regex

    try:
        regex.compile(pattern)
    except regex.error as error:
        raise ValueError(f"is not a regular expression ({error})") from error
    return pattern
