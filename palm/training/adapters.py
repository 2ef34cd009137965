"""The trained weights of a policy: LoRA adapters over the base model, or all its weights."""

import re
import shutil
from pathlib import Path

from palm.config.training import Lora
from palm.errors import TrainingError
from palm.models.load import load_weights
from palm.models.policies import ADAPTER_CONFIG, is_adapter
from palm.storage.files import read_json, write_json


def lora_config(settings: Lora, base):
    """A `peft.LoraConfig` for a base model; dropout would train another policy than is served."""
    from peft import LoraConfig

    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=0.0,
        target_modules="all-linear" if settings.layers == "linear" else _attention_layers(base),
        task_type="CAUSAL_LM",
    )


def _attention_layers(base) -> list[str]:
    """Linear layers of a model's attention over text."""
    from torch.nn import Linear
    from transformers.pytorch_utils import Conv1D

    return [
        name
        for name, module in base.named_modules()
        if isinstance(module, (Linear, Conv1D))
        and any(re.search("attn|attention", part) for part in name.split(".")[:-1])
        and not re.search("visi|visual|audio|linear_attn", name)
    ]


def new_policy(base, settings: Lora | None, *, seed: int):
    """Make a base model trainable; at first the policy is the base model.

    Args:
        base: `transformers.PreTrainedModel`.
        settings: rank and alpha of a fresh adapter; None for full fine-tuning.

    Returns:
        The PEFT model, or the base model itself.
    """
    from peft import get_peft_model
    from transformers import set_seed

    set_seed(seed)
    return base if settings is None else get_peft_model(base, lora_config(settings, base))


def policy_state(model) -> dict:
    """The trained weights of a policy by name: of a PEFT model those of its adapter, else all."""
    from peft import PeftModel, get_peft_model_state_dict

    if not isinstance(model, PeftModel):
        return model.state_dict()
    return get_peft_model_state_dict(model, adapter_name=model.active_adapter)


def saved_policy_state(folder: Path) -> dict:
    """The `policy_state` of the model that `save_policy` saved."""
    if is_adapter(folder):
        from peft import load_peft_weights

        return load_peft_weights(str(folder), device="cpu")
    return load_weights(folder, "float32", what=f"policy={folder}").state_dict()


def load_policy_state(model, state: dict) -> None:
    """Overwrite the trained weights of a policy with a `policy_state`.

    Raises:
        TrainingError: the state is of a model of another shape.
    """
    from peft import PeftModel, set_peft_model_state_dict

    expected = policy_state(model)
    wrong = [
        name
        for name in expected.keys() | state.keys()
        if name not in state or name not in expected or state[name].shape != expected[name].shape
    ]
    if wrong:
        raise TrainingError(
            f"weights to start from: {min(wrong)}",
            rule="is missing or of another shape than the policy's",
            remedy="start from a policy of the same base model and the same training.lora",
        )
    if isinstance(model, PeftModel):
        set_peft_model_state_dict(model, state, adapter_name=model.active_adapter)
    else:
        model.load_state_dict(state)


def copy_policy(checkpoint: Path, folder: Path) -> None:
    """Copy the policy from a trainer's checkpoint, without the state of the optimiser."""
    for pattern in ("adapter_*", "config.json", "generation_config.json", "model*.safetensors*"):
        for path in checkpoint.glob(pattern):
            shutil.copyfile(path, folder / path.name)
    _make_reproducible(folder)


def save_policy(model, folder: Path) -> None:
    """Save a trained policy as safetensors: PEFT's adapter format, or a whole model.

    Raises:
        TrainingError: a weight is not finite.
    """
    for name, weight in policy_state(model).items():
        if not weight.isfinite().all():
            raise TrainingError(
                f"policy weight {name}", rule="is not finite: training diverged", remedy="lower training.learning_rate"
            )
    model.save_pretrained(str(folder), safe_serialization=True)
    # PEFT writes a model card that names the build's temporary folder; it would differ on every run.
    (folder / "README.md").unlink(missing_ok=True)
    _make_reproducible(folder)


def _make_reproducible(folder: Path) -> None:
    """Remove from a PEFT configuration what differs on every run: the base model's folder and the order of a set."""
    path = folder / ADAPTER_CONFIG
    if path.exists():
        config = read_json(path)
        write_json(
            path, {**config, "base_model_name_or_path": None, "target_modules": sorted(config["target_modules"])}
        )
