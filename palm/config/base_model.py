"""The section of the configuration about the base model, its source and what is put into its chat template."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from palm.config.base import Section


class TinyModel(Section):
    """A small Llama, trained from scratch by the build: the base model of demos, tests and CI."""

    corpus: str = Field(
        description="JSONL file of {prompt, response} pairs that it is trained on, or its s3:// address."
    )
    hidden_size: int = Field(96, ge=8, description="Width of the residual stream, in units.")
    layers: int = Field(2, ge=1, description="Number of transformer layers.")
    heads: int = Field(4, ge=1, description="Number of attention heads; must divide hidden_size.")
    vocabulary_size: int = Field(700, ge=300, description="Tokens of the byte-level BPE tokenizer.")
    steps: int = Field(400, ge=1, description="Optimiser steps of pretraining.")
    batch_size: int = Field(32, ge=1, description="Pairs per optimiser step.")
    learning_rate: float = Field(3e-3, gt=0, description="Peak learning rate of AdamW.")
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of initialisation and data order.")

    @model_validator(mode="after")
    def _heads_divide_width(self):
        if self.hidden_size % self.heads or (self.hidden_size // self.heads) % 2:
            raise ValueError(
                f"hidden_size={self.hidden_size}, heads={self.heads}: hidden_size / heads must be an even integer"
            )
        return self


class BaseModelSource(Section):
    """The reference policy π_ref that every adapter starts from."""

    ADDED = frozenset({"system_prompt", "chat_template_kwargs"})

    source: str = Field(
        min_length=1,
        max_length=500,  # A parameter of MLflow.
        description="A folder, a hub id (NAME or NAME@REVISION), an s3:// prefix, or `tiny` (see the section tiny).",
    )
    dtype: Literal["float32", "bfloat16"] = Field("float32", description="Number format of weights and compute.")
    tiny: TinyModel | None = Field(None, description="Size and training of the tiny model; only with source: tiny.")
    system_prompt: str | None = Field(
        None,
        min_length=1,
        description="Message of the role system before every prompt; unset: none. It becomes part of the base model's "
        "chat template, and so of training, evaluation and serving.",
    )
    chat_template_kwargs: dict[str, bool | int | float | str] | None = Field(
        None,
        min_length=1,
        description="Variables that the chat template asks for, e.g. {enable_thinking: false} or a fixed "
        "{date_string: 26 Jul 2024}; they become part of it.",
    )

    @model_validator(mode="after")
    def _tiny_matches_source(self):
        if (self.source == "tiny") != (self.tiny is not None):
            raise ValueError("the section `tiny` is required with source: tiny and refused with any other source")
        return self

    @field_validator("chat_template_kwargs")
    @classmethod
    def _are_variables(cls, kwargs: dict | None) -> dict | None:
        for name in kwargs or ():
            if not name.isidentifier() or name in ("messages", "add_generation_prompt"):
                raise ValueError(f"{name!r}: must be a variable of the chat template, other than its messages")
        return kwargs

    @property
    def chat_settings(self) -> dict:
        """The settings of the chat template that are set."""
        return self.model_dump(include=self.ADDED)
