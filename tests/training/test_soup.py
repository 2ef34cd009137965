import json

import numpy as np
import torch
from safetensors.torch import load_file

from palm.config.training import Lora
from palm.models.load import load_model
from palm.training.adapters import load_policy_state, new_policy, policy_state
from palm.training.soup import starting_state

SOUP = {"training__backend": "soup", "training__warm_start": None, "training__rwr": {"learning_rate": 0.003}}


def updates(folder) -> dict[str, torch.Tensor]:
    """The change of each layer's weights, ΔW = scale · B A."""
    settings = json.loads((folder / "adapter_config.json").read_text())
    return deltas(load_file(folder / "adapter_model.safetensors"), settings["lora_alpha"] / settings["r"])


def deltas(state: dict, scale: float) -> dict[str, torch.Tensor]:
    return {
        name: scale * state[name.replace("lora_A", "lora_B")] @ weight
        for name, weight in state.items()
        if "lora_A" in name
    }


def test_the_update_is_the_weighted_sum_of_the_corners(trained):
    """Corners trained on their own first are reused; the soup's update is exactly theirs, weighted."""
    corners = []
    for index in range(2):
        unit = np.eye(2)[index].tolist()
        record, folder = trained(f"corner{index}", unit, **SOUP | {"training__backend": "rwr"})
        corners.append(updates(folder))
    record, folder = trained("soup", [0.3, 0.7], **SOUP)
    assert record.backend == "soup" and record.steps == 0
    for name, update in updates(folder).items():
        assert torch.allclose(update, 0.3 * corners[0][name] + 0.7 * corners[1][name], atol=1e-6)
    assert len(list((folder.parent / "store").glob("policy-*"))) == 3, "corner policies were trained twice"


def test_a_soup_at_a_corner_is_that_corner(trained):
    _, corner = trained("corner", [0.0, 1.0], **SOUP | {"training__backend": "rwr"})
    _, soup = trained("soup", [0.0, 1.0], **SOUP)
    expected = updates(corner)
    for name, update in updates(soup).items():
        assert torch.allclose(update, expected[name], atol=1e-6)


def test_a_start_from_a_soup_is_its_best_approximation_of_the_adapters_rank(base_model):
    """Against the truncated SVD of the full update; with enough rank it is the update itself."""
    from peft import get_peft_model

    from palm.training.adapters import lora_config

    torch.manual_seed(0)
    base = load_model(base_model).model
    cat = get_peft_model(base, lora_config(Lora(rank=6, alpha=6), base))
    for name, weight in cat.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight)
    soup = deltas(policy_state(cat), 1.0)
    for rank in (2, 6, 32):
        target = Lora(rank=rank, alpha=3 * rank)
        fresh = new_policy(load_model(base_model).model, target, seed=0)
        load_policy_state(fresh, starting_state(cat, target))
        for name, update in deltas(policy_state(fresh), 3.0).items():
            u, s, vh = torch.linalg.svd(soup[name], full_matrices=False)
            best = u[:, :rank] * s[:rank] @ vh[:rank]
            assert torch.allclose(update, best, atol=1e-4), (name, rank)


def test_rloo_goes_on_from_a_soup(trained):
    trained("soup", [0.5, 0.5], **SOUP)
    _, start = trained(
        "started", [0.5, 0.5], **SOUP | {"training__backend": "rloo", "training__warm_start": "soup"},
        training__steps=1, training__learning_rate=1e-12,
    )  # fmt: skip
    expected = updates(start.parent / "soup")
    for name, update in updates(start).items():
        u, s, vh = torch.linalg.svd(expected[name], full_matrices=False)
        assert torch.allclose(update, u[:, :16] * s[:16] @ vh[:16], atol=1e-4)
