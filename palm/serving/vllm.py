"""Configuration of `vllm serve`: one base model, one LoRA adapter for each policy.

An adapter that PEFT can save and vLLM cannot serve is refused here: vLLM ignores what it does not know without an
error, and answers as another policy. The limits are those of vLLM 0.33.0.
"""

from collections.abc import Iterator
from pathlib import Path

import yaml

from palm.artifacts.routing import Routing
from palm.errors import ModelError
from palm.models.policies import ADAPTER_CONFIG
from palm.serving.vllm_layers import renamed_adapter, served_names
from palm.storage.files import read_json

VLLM_CONFIG = "vllm.yaml"
RENAMED = "vllm"
"""Folder of the copies of adapters whose layers have other names in vLLM."""
REFERENCE = "reference"
"""Name under which vLLM serves the base model itself; policies have their own names."""
_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Values of --max-lora-rank; buffers are made for that rank, smaller adapters are padded."""
_APPLIED = {
    # vLLM scales by alpha / r, or alpha / √r.
    *("r", "lora_alpha", "use_rslora"),
    # The layers, which the names of the tensors say.
    *("target_modules", "exclude_modules", "layers_to_transform", "layers_pattern"),
    # These matter while training only; init_lora_weights is checked.
    *("init_lora_weights", "lora_dropout", "inference_mode", "eva_config", "lora_ga_config", "loftq_config"),
    # Where it comes from, and defaults of features that are off.
    *("peft_type", "task_type", "peft_version", "base_model_name_or_path", "revision", "auto_mapping"),
    *("fan_in_fan_out", "megatron_core", "qalora_group_size"),
}
"""Keys of PEFT's configuration that vLLM applies or may ignore; all others must be unset."""
_UNSET = (None, False, 0, {}, [], "none")
"""What PEFT writes for a key that is not set; "none" is that of bias."""
_PLAIN_STARTS = ("gaussian", "eva", "orthogonal", "mica", "lora_ga")
"""Values of init_lora_weights that, unlike PiSSA's, leave the base model's weights alone."""


def check_servable(routing: Routing, folder: Path, dtype: str | None = None) -> None:
    """Check that vLLM can serve the adapters of a portfolio folder, as far as it can be said without the base model."""
    _dtype(routing.base_model.dtype, dtype)
    _max_lora_rank({policy: _adapter_rank(policy, place) for policy, place in _adapters(routing, folder).items()})


def vllm_files(routing: Routing, folder: Path, place: Path, dtype: str | None = None) -> Iterator[tuple[str, bytes]]:
    """Files by which vLLM serves a portfolio, by their names relative to its folder.

    They are vLLM's configuration, and copies of adapters whose layers have other names in vLLM.

    Args:
        folder: portfolio folder with the base model in it.
        place: absolute path at which vLLM will find that folder.
        dtype: ``float32``, ``float16`` or ``bfloat16``; unset: the one that the portfolio was built with.

    Raises:
        ModelError: vLLM cannot serve the portfolio, or would ignore a part of an adapter.
    """
    check_servable(routing, folder, dtype)
    modules = {}
    for policy, adapter in _adapters(routing, folder).items():
        names = served_names(policy, adapter, folder / Routing.EMBEDDED)
        modules[policy] = place / (f"{RENAMED}/{policy}" if names else adapter.relative_to(folder))
        if names:
            for name, content in renamed_adapter(adapter, names).items():
                yield f"{RENAMED}/{policy}/{name}", content
    ranks = {policy: _adapter_rank(policy, adapter) for policy, adapter in _adapters(routing, folder).items()}
    settings = {
        "model": str(place / Routing.EMBEDDED),
        "served-model-name": [REFERENCE],
        "dtype": _dtype(routing.base_model.dtype, dtype),
        # Pickled weights can run code.
        "load-format": "safetensors",
        # A model's own sampling settings would make it another policy than the certified one; its end tokens stay.
        "generation-config": "vllm",
        "enable-lora": True,
        "max-loras": len(ranks),
        "max-lora-rank": _max_lora_rank(ranks),
        "lora-modules": [f"{policy}={adapter}" for policy, adapter in modules.items()],
    }
    yield VLLM_CONFIG, yaml.safe_dump(settings, sort_keys=False).encode()


def _adapters(routing: Routing, folder: Path) -> dict[str, Path]:
    for entry in routing.policies:
        if not entry.folder.startswith("adapters/"):
            raise ModelError(
                f"policy {entry.policy}",
                rule="is a whole model; vLLM serves adapters over one base model",
                remedy="serve this version with `mlflow models serve`, or train with training.lora",
            )
    return {entry.policy: folder / entry.folder for entry in routing.policies}


def _dtype(built: str, wanted: str | None) -> str:
    if wanted is None and built == "float32":
        raise ModelError(
            "base_model.dtype=float32",
            rule="vLLM's LoRA kernels for GPUs compute in 16 bits only",
            remedy="give --dtype bfloat16, by which answers differ in rounding (--dtype float32 for vLLM on CPUs)",
        )
    return wanted or built


def _adapter_rank(policy: str, folder: Path) -> int:
    """The rank of an adapter's updates, if vLLM can serve it."""
    config = read_json(folder / ADAPTER_CONFIG)
    wrong = [key for key, value in config.items() if key not in _APPLIED and value not in _UNSET]
    if config.get("peft_type") != "LORA":
        wrong.append("peft_type")
    start = config.get("init_lora_weights", True)
    if isinstance(start, str) and start.lower() not in _PLAIN_STARTS:
        wrong.append("init_lora_weights")
    if wrong:
        raise ModelError(
            f"policy {policy}: {wrong[0]}={config.get(wrong[0])!r}",
            rule="vLLM cannot serve an adapter with that",
            remedy="serve this version with `mlflow models serve`, or train plain LoRA",
        )
    return config["r"]


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
