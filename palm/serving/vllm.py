"""Configuration of `vllm serve`: one base model, one LoRA adapter for each policy.

An adapter that PEFT can save and vLLM cannot serve is refused here, before the base model is loaded. The limits are
those of vLLM 0.33.0.
"""

from pathlib import Path

import yaml

from palm.artifacts.routing import Routing
from palm.errors import ModelError
from palm.models.policies import ADAPTER_CONFIG
from palm.storage.files import read_json

VLLM_CONFIG = "vllm.yaml"
_REFERENCE = "reference"
"""Name under which vLLM serves the base model itself; policies have their own names."""
_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Values of --max-lora-rank; buffers are made for that rank, smaller adapters are padded."""
_REFUSED = (
    "use_dora",
    "lora_bias",
    "modules_to_save",
    "layer_replication",
    "alora_invocation_tokens",
    "use_qalora",
    "use_bdlora",
    # vLLM ignores this one without an error, which would serve another policy.
    "trainable_token_indices",
)
"""Keys of PEFT's configuration that must be unset."""
_PLAIN_STARTS = ("gaussian", "eva", "orthogonal", "mica", "lora_ga")
"""Values of init_lora_weights that, unlike PiSSA's, leave the base model's weights alone."""


def vllm_config(routing: Routing, folder: Path, place: Path, dtype: str | None = None) -> str:
    """Configuration by which vLLM serves a portfolio, YAML.

    Args:
        place: absolute path at which vLLM will find that folder; its `base_model` holds the base model.
        dtype: ``float32``, ``float16`` or ``bfloat16``; unset: the one that the portfolio was built with.
    """
    places = {entry.policy: entry.folder for entry in routing.policies}
    for policy, name in places.items():
        if not name.startswith("adapters/"):
            raise ModelError(
                f"policy {policy}",
                rule="is a whole model; vLLM serves adapters over one base model",
                remedy="serve this version with `mlflow models serve`, or train with training.lora",
            )
    ranks = {policy: _adapter_rank(policy, folder / name) for policy, name in places.items()}
    settings = {
        "model": str(place / Routing.EMBEDDED),
        "served-model-name": [_REFERENCE],
        "dtype": _dtype(routing.base_model.dtype, dtype),
        # Pickled weights can run code.
        "load-format": "safetensors",
        # A model's own sampling settings would make it another policy than the certified one; its end tokens stay.
        "generation-config": "vllm",
        "enable-lora": True,
        "max-loras": len(ranks),
        "max-lora-rank": _max_lora_rank(ranks),
        "lora-modules": [f"{policy}={place / name}" for policy, name in places.items()],
    }
    return yaml.safe_dump(settings, sort_keys=False)


def _dtype(built: str, wanted: str | None) -> str:
    if wanted is None and built == "float32":
        raise ModelError(
            "base_model.dtype=float32",
            rule="vLLM's LoRA kernels for GPUs compute in 16 bits only",
            remedy="give --dtype bfloat16, by which answers differ in rounding (--dtype float32 for vLLM on CPUs)",
        )
    return wanted or built


def _adapter_rank(policy: str, folder: Path) -> int:
    """The largest rank of an adapter's updates, if vLLM can serve it."""
    config = read_json(folder / ADAPTER_CONFIG)
    wrong = [key for key in _REFUSED if config.get(key)]
    if config.get("peft_type") != "LORA":
        wrong.append("peft_type")
    if config.get("bias", "none") != "none":
        wrong.append("bias")
    start = config.get("init_lora_weights", True)
    if isinstance(start, str) and start.lower() not in _PLAIN_STARTS:
        wrong.append("init_lora_weights")
    if wrong:
        raise ModelError(
            f"policy {policy}: {wrong[0]}={config.get(wrong[0])!r}",
            rule="vLLM cannot serve an adapter with that",
            remedy="serve this version with `mlflow models serve`, or train plain LoRA",
        )
    return max([config["r"], *(config.get("rank_pattern") or {}).values()])


def _max_lora_rank(ranks: dict[str, int]) -> int:
    """The smallest --max-lora-rank that vLLM accepts for adapters of these ranks."""
    policy = max(ranks, key=ranks.__getitem__)
    for rank in _RANKS:
        if rank >= ranks[policy]:
            return rank
    raise ModelError(
        f"policy {policy}: rank {ranks[policy]}",
        rule=f"is larger than vLLM accepts, {_RANKS[-1]}",
        remedy="train with a smaller training.lora.rank (the rank of a soup is the sum of its corners' ranks)",
    )
