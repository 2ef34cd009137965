"""Loading a causal LM with its tokenizer."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from palm.errors import ModelError, UnusableModelError


@dataclass(frozen=True)
class LoadedModel:
    """A causal LM ready for use.

    Attributes:
        model: `transformers.PreTrainedModel`, or a `peft.PeftModel` over it, in eval mode.
        tokenizer: its tokenizer, padding on the left.
        end_ids: token ids that end a response.
    """

    model: object
    tokenizer: object
    end_ids: tuple[int, ...]

    @property
    def device(self):
        """Device of the model's weights."""
        return self.model.device

    @contextmanager
    def reference(self) -> Iterator:
        """The model that a policy's divergence is measured from: itself without its adapter, during the block."""
        from peft import PeftModel

        with self.model.disable_adapter() if isinstance(self.model, PeftModel) else nullcontext():
            yield self.model


def load_tokenizer(folder: Path):
    """Load the tokenizer of a Hugging Face model folder; it pads on the left.

    Raises:
        ModelError: there is none, or it has no end-of-sequence token.
    """
    from transformers import AutoTokenizer

    what = f"base_model={folder}"
    if not folder.is_dir():
        raise ModelError(what, rule="is not a folder", remedy="give a folder, a hub id or s3://")
    if not any((folder / name).exists() for name in ("tokenizer.json", "tokenizer_config.json", "tokenizer.model")):
        raise UnusableModelError(
            what, rule="holds no tokenizer", remedy="save one there with tokenizer.save_pretrained(folder)"
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    except Exception as error:  # The tokenizers library raises no narrower class.
        rule, remedy = f"tokenizer cannot be loaded ({error})", "save it again with tokenizer.save_pretrained(folder)"
        raise UnusableModelError(what, rule=rule, remedy=remedy) from error
    if tokenizer.eos_token_id is None:
        rule, remedy = "its tokenizer has no end-of-sequence token", "set tokenizer.eos_token and save it again"
        raise UnusableModelError(what, rule=rule, remedy=remedy)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def check_model_folder(folder: Path) -> None:
    """Check that a folder holds a tokenizer, a model's configuration and safetensors weights."""
    load_tokenizer(folder)
    for pattern in ("config.json", "*.safetensors"):
        if not any(folder.glob(pattern)):
            remedy = "save it again with model.save_pretrained(folder)"
            raise UnusableModelError(f"base_model={folder}", rule=f"holds no {pattern}", remedy=remedy)


def load_model(folder: Path, dtype: str = "float32") -> LoadedModel:
    """Load a base model on the GPU if there is one, else on the CPU.

    Args:
        folder: a Hugging Face model folder with safetensors weights.
        dtype: ``float32`` or ``bfloat16``.

    Raises:
        ModelError: the folder holds no usable model.
    """
    from transformers import GenerationConfig

    tokenizer = load_tokenizer(folder)
    model = load_weights(folder, dtype, what=f"base_model={folder}")
    declared = model.generation_config.eos_token_id
    ends = [] if declared is None else [declared] if isinstance(declared, int) else list(declared)
    end_ids = list(dict.fromkeys([tokenizer.eos_token_id, *ends]))
    # A model's own settings (top_p, a repetition penalty, …) would replace whatever a caller leaves unset. Responses
    # would then be sampled from another distribution than the policy whose KL is measured.
    model.generation_config = GenerationConfig(eos_token_id=end_ids, pad_token_id=tokenizer.pad_token_id)
    return LoadedModel(model, tokenizer, tuple(end_ids))


def empty_model(folder: Path):
    """A model without memory for its weights, which are not read: its layers and their shapes.

    Raises:
        UnusableModelError: the folder's config.json describes no causal LM.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(folder)
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(config)
    except Exception as error:  # Settings that fit no model fail anywhere in its code.
        raise _not_causal(folder, error) from error


def _not_causal(folder: Path, error: Exception) -> UnusableModelError:
    # transformers lists every architecture that it knows.
    why = " ".join(str(error).split("Model type should be one of")[0].split())
    return UnusableModelError(
        f"base_model={folder}",
        rule=f"is no causal LM that transformers can load ({why})",
        remedy="give a model that answers text with text; of a vision-language model save the language model by itself",
    )


def load_weights(folder: Path, dtype: str, *, what: str):
    """Load a causal LM without its tokenizer, as ``load_model``.

    Returns:
        A `transformers.PreTrainedModel` in eval mode, on the GPU if there is one.
    """
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    try:
        # Weights are read from safetensors only: pickle can run code.
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype), use_safetensors=True)
    except Exception as error:  # As in `empty_model`.
        raise ModelError(
            what,
            rule=f"cannot be loaded ({error})",
            remedy="give a folder with config.json and *.safetensors of a causal LM",
        ) from error
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()


def quiet_threads() -> None:
    """Stop tokenizers from warning about forks in worker processes."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
