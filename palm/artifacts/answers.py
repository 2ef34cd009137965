"""answers.json: what a policy answers to some prompts, to recognise it behind a server."""

from typing import ClassVar

from pydantic import Field

from palm.artifacts.base import Artifact, Part


class LikeliestAnswer(Part):
    """The beginning of the likeliest answer to a prompt, as far as rounding cannot change it."""

    prompt: tuple[int, ...] = Field(description="Token ids, as the model gets them.")
    text: str = Field(description="The answer's beginning, as it continues the prompt.")
    tokens: int = Field(ge=1, description="Length of the text in tokens.")
    base_model: bool = Field(description="Whether the base model answers the same.")


class Answers(Artifact):
    """Likeliest answers of a policy, beside its weights."""

    FILE: ClassVar[str] = "answers.json"

    answers: tuple[LikeliestAnswer, ...] = Field(description="Those first that the base model does not give.")
