"""The file that `vllm serve --config` reads: one base model, one LoRA adapter for each policy."""

from pathlib import Path

import yaml

from palm.errors import ModelError
from palm.serving.vllm_adapters import adapter_rank, max_lora_rank

VLLM_CONFIG = "vllm.yaml"
REFERENCE = "reference"
"""Name under which vLLM serves the base model itself; policies have their own names."""


def vllm_config(routing: dict, folder: Path, place: Path, dtype: str | None = None) -> str:
    """Write down how vLLM serves a portfolio.

    Args:
        routing: content of routing.json.
        folder: the portfolio folder.
        place: absolute path at which vLLM will find that folder; its `base_model` holds the base model.
        dtype: ``float32``, ``float16`` or ``bfloat16``; unset: the one that the portfolio was built with.

    Returns:
        YAML.

    Raises:
        ModelError: vLLM cannot serve it.
        DataError: an adapter's configuration cannot be read.
    """
    places = {entry["policy"]: entry["folder"] for entry in routing["policies"]}
    _check_adapters_only(places)
    ranks = {policy: adapter_rank(policy, folder / name) for policy, name in places.items()}
    settings = {
        "model": str(place / "base_model"),
        "served-model-name": [REFERENCE],
        "dtype": _dtype(routing["base_model"]["dtype"], dtype),
        # Pickled weights can run code.
        "load-format": "safetensors",
        # A model's own sampling settings would make it another policy than the certified one; its end tokens stay.
        "generation-config": "vllm",
        "enable-lora": True,
        "max-loras": len(ranks),
        "max-lora-rank": max_lora_rank(ranks),
        "lora-modules": [f"{policy}={place / name}" for policy, name in places.items()],
    }
    return yaml.safe_dump(settings, sort_keys=False)


def _check_adapters_only(places: dict[str, str]) -> None:
    whole = [policy for policy, place in places.items() if not place.startswith("adapters/")]
    if whole:
        raise ModelError(
            f"policy {whole[0]}",
            rule="is a whole model; vLLM serves adapters over one base model",
            remedy="serve this version with `mlflow models serve`, or train with training.lora",
        )


def _dtype(built: str, wanted: str | None) -> str:
    if wanted is None and built == "float32":
        raise ModelError(
            "base_model.dtype=float32",
            rule="vLLM's LoRA kernels for GPUs compute in 16 bits only",
            remedy="give --dtype bfloat16, by which answers differ in rounding (--dtype float32 for vLLM on CPUs)",
        )
    return wanted or built
