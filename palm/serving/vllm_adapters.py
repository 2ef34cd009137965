"""What vLLM can serve as a LoRA adapter, of all that PEFT can save.

vLLM says so itself, but only when it has loaded the base model; here it costs nothing. Read off vLLM 0.33.0.
"""

from pathlib import Path

from palm.errors import ModelError
from palm.models.policies import ADAPTER_CONFIG
from palm.storage.files import read_json

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
    # vLLM leaves this out without a word, which would make another policy.
    "trainable_token_indices",
)
"""Keys of PEFT's configuration that must be unset."""
_PLAIN_STARTS = ("gaussian", "eva", "orthogonal", "mica", "lora_ga")
"""Values of init_lora_weights that, unlike PiSSA and its kin, leave the base model's weights alone."""


def adapter_rank(policy: str, folder: Path) -> int:
    """Check that vLLM can serve an adapter.

    Args:
        policy: its name.
        folder: a folder in PEFT's format.

    Returns:
        The largest rank of its updates.

    Raises:
        ModelError: it has a feature that vLLM lacks.
        DataError: its configuration cannot be read.
    """
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


def max_lora_rank(ranks: dict[str, int]) -> int:
    """The smallest --max-lora-rank for some adapters.

    Args:
        ranks: of each policy, >= 1; at least one.

    Returns:
        A rank that vLLM accepts, at least the largest.

    Raises:
        ModelError: a rank is beyond all that vLLM accepts.
    """
    policy = max(ranks, key=ranks.__getitem__)
    for rank in _RANKS:
        if rank >= ranks[policy]:
            return rank
    raise ModelError(
        f"policy {policy}: rank {ranks[policy]}",
        rule=f"is larger than vLLM accepts, {_RANKS[-1]}",
        remedy="train with a smaller training.lora.rank (a soup's rank is that of its corners in sum)",
    )
