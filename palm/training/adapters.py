"""LoRA adapters: making, transferring and saving them."""

from pathlib import Path

from palm.config import Lora
from palm.errors import TrainingError


def lora_config(settings: Lora):
    """The PEFT configuration of a policy's adapter.

    Args:
        settings: rank and alpha.

    Returns:
        A `peft.LoraConfig` over all linear layers, without dropout: dropout would train another policy than is served.
    """
    from peft import LoraConfig

    return LoraConfig(
        r=settings.rank, lora_alpha=settings.alpha, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"
    )


def new_adapter(base, settings: Lora, *, seed: int):
    """Wrap a base model with a fresh adapter, which at first changes nothing.

    Args:
        base: `transformers.PreTrainedModel`.
        settings: rank and alpha.
        seed: seed of the initialisation.

    Returns:
        The PEFT model.
    """
    from peft import get_peft_model
    from transformers import set_seed

    set_seed(seed)
    return get_peft_model(base, lora_config(settings))


def copy_adapter(source, target) -> None:
    """Copy adapter weights from one PEFT model into another of the same shape.

    Args:
        source: PEFT model to read.
        target: PEFT model to overwrite.
    """
    from peft import get_peft_model_state_dict, set_peft_model_state_dict

    set_peft_model_state_dict(target, get_peft_model_state_dict(source))


def save_adapter(model, folder: Path) -> None:
    """Save a trained adapter in PEFT's own format, as safetensors.

    Args:
        model: PEFT model.
        folder: destination.

    Raises:
        TrainingError: a weight is not finite.
    """
    for name, weight in model.named_parameters():
        if "lora_" in name and not weight.isfinite().all():
            raise TrainingError(
                f"adapter weight {name}", rule="is not finite: training diverged", remedy="lower training.learning_rate"
            )
    model.save_pretrained(str(folder), safe_serialization=True)
    # PEFT writes a model card that names the build's temporary folder; it would differ on every run.
    (folder / "README.md").unlink(missing_ok=True)
