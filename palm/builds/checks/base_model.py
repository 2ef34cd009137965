"""Check of a base model against a configuration: from its configuration and tokenizer, no weight is read."""

import re
from collections.abc import Iterable
from pathlib import Path

from palm.config.portfolio import PortfolioConfig
from palm.config.training import Lora
from palm.errors import ConfigError, UnusableModelError
from palm.models.chat import chat_template, check_chat_template
from palm.models.load import check_model_folder, empty_model, load_tokenizer
from palm.models.prompts import PromptSet, encode_prompts
from palm.training.adapters import new_policy

_ROUTER = re.compile(r"(^|\.)(router|shared_expert_gate)(\.|$)|(mlp|moe|feed_forward|ffn)\.gate$")
"""Layers that choose experts; a dense block has a ``gate_proj``, no ``gate``."""


def check_base_model(config: PortfolioConfig, folder: Path, prompts: Iterable[PromptSet]) -> None:
    """Check that a build with a base model can sample, train and serve.

    Args:
        folder: a Hugging Face model folder as its source has it, without the settings of the chat template.
        prompts: training and held-out prompts.

    Raises:
        UnusableModelError: the model or its tokenizer cannot be used.
        ConfigError: the model does not fit other settings.
    """
    check_model_folder(folder)
    tokenizer, model = load_tokenizer(folder), empty_model(folder)
    if config.base_model.chat_settings:
        tokenizer.chat_template = chat_template(tokenizer, config.base_model)
    check_chat_template(tokenizer)
    encoded = [ids for part in prompts for ids in _encoded(tokenizer, part.texts)]
    _check_tokenizer(tokenizer, encoded)
    _check_embeddings(tokenizer, model, encoded)
    _check_positions(model, longest=max(map(len, encoded)), response=config.generation.max_new_tokens)
    if config.training.lora is not None:
        _check_lora(model, config.training.lora)


def _encoded(tokenizer, texts: list[str]) -> list[list[int]]:
    encoded = encode_prompts(tokenizer, texts)
    for text, ids in zip(texts, encoded, strict=True):
        if not ids:
            raise UnusableModelError(
                f"tokenizer of the base model: prompt {text[:60]!r}",
                rule="must have at least one token",
                remedy="correct the prompt, the tokenizer or its chat template",
            )
    return encoded


def _check_tokenizer(tokenizer, encoded: list[list[int]]) -> None:
    if any(ids[-1] == tokenizer.eos_token_id for ids in encoded):
        raise UnusableModelError(
            "tokenizer of the base model",
            rule=f"ends prompts with the end token {tokenizer.eos_token!r}, after which no response is expected",
            remedy="save it again with add_eos_token=False, or without the end token in its post-processor",
        )
    if "attention_mask" not in tokenizer.model_input_names:
        raise UnusableModelError(
            f"tokenizer of the base model: model_input_names={tokenizer.model_input_names}",
            rule="lacks attention_mask: the model would read padding as part of shorter prompts",
            remedy="set model_input_names to [input_ids, attention_mask] in tokenizer_config.json",
        )


def _check_embeddings(tokenizer, model, encoded: list[list[int]]) -> None:
    """Tokens that a build uses; others may lie beyond, as placeholders of images do in some text models."""
    size = model.get_input_embeddings().num_embeddings
    used = {"pad_token": tokenizer.pad_token_id, "eos_token": tokenizer.eos_token_id}
    used["a token of the prompts"] = max(max(ids) for ids in encoded)
    for name, token in used.items():
        if token >= size:
            raise UnusableModelError(
                f"tokenizer of the base model: {name} {tokenizer.convert_ids_to_tokens(token)!r} has id {token}",
                rule=f"must be below {size}, the number of the model's embeddings",
                remedy="save the model again after model.resize_token_embeddings(len(tokenizer)), or use another token",
            )


def _check_positions(model, *, longest: int, response: int) -> None:
    text = model.config.get_text_config()
    positions = getattr(text, "max_position_embeddings", None)
    if positions is None:
        return
    # Rotary positions that are stretched reach as many times farther.
    stretched = getattr(text, "rope_parameters", None) or {}
    limit = int(positions * max(1.0, stretched.get("factor") or 1.0))
    if longest + response > limit:
        raise ConfigError(
            f"generation.max_new_tokens={response}",
            rule=f"with the longest prompt, {longest} tokens, must be at most the base model's {limit} positions",
            remedy="lower it, shorten the prompts, or use a model with a longer context",
        )


def _check_lora(model, settings: Lora) -> None:
    what = f"training.lora.layers={settings.layers}: base model of type {model.config.model_type}"
    other = "set training.lora.layers to attention, or training.lora to null"
    remedy = other if settings.layers == "linear" else "set training.lora to null, or use another base model"
    # The kernels of a Mamba layer read its weights themselves, without the update of an adapter.
    if settings.layers == "linear" and any(hasattr(part, "A_log") and hasattr(part, "D") for part in model.modules()):
        raise ConfigError(what, rule="has Mamba layers, whose kernels ignore adapters", remedy=remedy)
    try:
        adapted = new_policy(model, settings, seed=0)
    except ValueError as error:
        raise ConfigError(what, rule=f"takes no LoRA adapter ({error})", remedy=remedy) from error
    if adapted.active_peft_config.target_parameters or any(map(_ROUTER.search, adapted.targeted_module_names)):
        raise ConfigError(
            what,
            rule="is a mixture of experts; vLLM ignores what an adapter changes in experts and router",
            remedy=remedy,
        )
