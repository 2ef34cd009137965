"""Soup: a policy interpolated between the corner policies instead of trained.

The policies of the single rewards are low-rank updates ΔW_i of the same base model; the soup's update is Σ w_i ΔW_i.
PEFT's combination ``cat`` stacks the ranks and gives exactly that sum, with a rank as many times larger as there are
corners; ``linear`` would mix the factors A and B separately, which is another matrix.

Source: rewarded soups (Ramé et al. 2023, arXiv 2306.04488), on the updates instead of all weights.
"""

from palm.config.training import Lora
from palm.models.load import load_model
from palm.training.task import Leg, LoadedTask, TrainingResult

_NAME = "default"


def interpolate(loaded: LoadedTask, leg: Leg) -> TrainingResult:
    """Interpolate the adapters of the leg's corner policies; the log is empty."""
    from peft import PeftModel

    weights = loaded.task.objective.weights.tolist()
    # In float32, as adapters are trained: PEFT gives a combined adapter the number format of its base model.
    base = load_model(loaded.base_model, "float32")
    first, *others = leg.corners
    model = PeftModel.from_pretrained(base.model, str(loaded.policies[first]), adapter_name=first)
    for name in others:
        model.load_adapter(str(loaded.policies[name]), adapter_name=name)
    model.add_weighted_adapter(list(leg.corners), weights, adapter_name=_NAME, combination_type="cat")
    for name in leg.corners:
        model.delete_adapter(name)
    model.set_adapter(_NAME)
    return TrainingResult(model.eval(), [], 0)


def starting_state(model, settings: Lora) -> dict:
    """The soup as the start of another training: its best approximation by an adapter of the usual rank.

    Returns:
        The `policy_state` of an adapter with these settings.

    Source: truncated singular value decomposition (Eckart and Young 1936), of the small core between two QR factors.
    """
    import torch
    from peft import get_peft_model_state_dict

    state = get_peft_model_state_dict(model)
    ours, target = model.peft_config[_NAME], settings.alpha / settings.rank
    result = {}
    for name in (name for name in state if "lora_A" in name):
        other = name.replace("lora_A", "lora_B")
        left, core_left = torch.linalg.qr(state[other].float())  # (out, R), (R, R)
        right, core_right = torch.linalg.qr(state[name].float().T)  # (in, R), (R, R)
        u, s, vh = torch.linalg.svd(core_left @ core_right.T)
        root = (s[: settings.rank] * (ours.lora_alpha / ours.r) / target).sqrt()
        up, down = left @ u[:, : settings.rank] * root, root[:, None] * (right @ vh.T[:, : settings.rank]).T
        # A layer narrower than the rank has fewer directions.
        missing = settings.rank - len(root)
        result[other] = torch.nn.functional.pad(up, (0, missing)).to(state[other].dtype)
        result[name] = torch.nn.functional.pad(down, (0, 0, 0, missing)).to(state[name].dtype)
    return result
