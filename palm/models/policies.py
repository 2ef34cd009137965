"""Policies over one base model: adapters that share its weights, and fully fine-tuned models."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from palm.errors import ModelError
from palm.models.load import LoadedModel, load_weights

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
"""Files of PEFT's format."""


def is_adapter(folder: Path) -> bool:
    """Whether a policy's folder holds a PEFT adapter, not a whole model.

    Raises:
        ModelError: it holds neither, or weights that are not in safetensors.
    """
    if (folder / ADAPTER_CONFIG).exists():
        if not (folder / ADAPTER_WEIGHTS).exists():
            raise ModelError(f"policy={folder}", rule=f"holds no {ADAPTER_WEIGHTS}", remedy="train it again")
        return True
    if (folder / "config.json").exists() and any(folder.glob("*.safetensors")):
        return False
    raise ModelError(
        f"policy={folder}",
        rule=f"holds neither an adapter ({ADAPTER_CONFIG}, {ADAPTER_WEIGHTS}) nor a model (config.json, *.safetensors)",
        remedy="give the folder that training made",
    )


class PolicySet:
    """Policies by name, of which one is active at a time.

    The base model is loaded once. An adapter takes little memory, a fully fine-tuned policy as much as the base model.
    Both use the base model's tokenizer and end tokens.

    Args:
        base: the base model; adapters modify it, so it must not be used by itself afterwards.
    """

    def __init__(self, base: LoadedModel):
        self._base = base
        self._peft = None
        self._models: dict[str, object] = {}

    def __contains__(self, name: str) -> bool:
        """Whether a policy of that name is loaded."""
        return name in self._models or (self._peft is not None and name in self._peft.peft_config)

    def add(self, name: str, folder: Path) -> LoadedModel:
        """Load a policy and make it the active one.

        Args:
            folder: PEFT adapter or whole model.

        Raises:
            ModelError: the name is taken, or the folder holds no policy over this base model.
        """
        if name in self:
            raise ModelError(f"policy {name!r}", rule="is loaded already", remedy="use it, or remove it first")
        if is_adapter(folder):
            self._add_adapter(name, folder)
        else:
            self._models[name] = self._load_model(folder)
        return self.use(name)

    def use(self, name: str) -> LoadedModel:
        """Make a policy the active one; the result is valid until another one is added, used or removed."""
        self._check_known(name)
        if name in self._models:
            return _FullPolicy(self._models[name], self._base.tokenizer, self._base.end_ids, self)
        self._peft.set_adapter(name)
        return LoadedModel(self._peft, self._base.tokenizer, self._base.end_ids)

    def remove(self, name: str) -> None:
        """Unload a policy and free its memory; ModelError if there is none of that name."""
        self._check_known(name)
        if name in self._models:
            del self._models[name]
        else:
            self._peft.delete_adapter(name)

    @contextmanager
    def reference(self) -> Iterator:
        """The base model without any adapter, during the block."""
        # Without an adapter PEFT has nothing to disable, and fails.
        adapters = self._peft is not None and self._peft.peft_config
        with self._peft.disable_adapter() if adapters else nullcontext():
            yield self._base.model

    def _check_known(self, name: str) -> None:
        if name not in self:
            raise ModelError(f"policy {name!r}", rule="is not loaded", remedy="add it first")

    def _add_adapter(self, name: str, folder: Path) -> None:
        from peft import PeftConfig, get_peft_model, load_peft_weights, set_peft_model_state_dict

        try:
            config = PeftConfig.from_pretrained(str(folder))
            config.inference_mode = True
            # The base model may be in another folder now than during training.
            config.base_model_name_or_path = self._base.model.name_or_path
            if self._peft is None:
                self._peft = get_peft_model(self._base.model, config, adapter_name=name)
            else:
                self._peft.add_adapter(name, config)
            weights = load_peft_weights(str(folder), device=str(self._base.device))
            _check_fit(self._peft, name, weights)
            set_peft_model_state_dict(self._peft, weights, adapter_name=name)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            if name in self:
                self._peft.delete_adapter(name)
            raise ModelError(
                f"adapter={folder}",
                rule=f"does not fit the base model ({error})",
                remedy="use the base model that it was trained on",
            ) from error
        self._peft.eval()

    def _load_model(self, folder: Path):
        base = self._base.model
        model = load_weights(folder, str(base.dtype).removeprefix("torch."), what=f"policy={folder}")
        found, wanted = (entry.config.get_text_config().vocab_size for entry in (model, base))
        if found != wanted:
            raise ModelError(
                f"policy={folder}",
                rule=f"has a vocabulary of {found} tokens, the base model one of {wanted}",
                remedy="use the base model that it was trained from",
            )
        model.generation_config = base.generation_config
        return model


@dataclass(frozen=True)
class _FullPolicy(LoadedModel):
    """A fully fine-tuned policy: its reference is the base model."""

    policies: PolicySet

    @contextmanager
    def reference(self) -> Iterator:
        with self.policies.reference() as model:
            yield model


def _check_fit(model, name: str, weights: dict) -> None:
    """Refuse an adapter for a model with other layers: PEFT would ignore what does not fit."""
    from peft import get_peft_model_state_dict

    wanted = get_peft_model_state_dict(model, adapter_name=name)
    for key in sorted(wanted.keys() ^ weights.keys()):
        raise ValueError(f"{key} is {'missing' if key in wanted else 'in excess'}")
