"""Policies of two rewards that were made without training."""

from pathlib import Path

import torch

from palm.artifacts.policy import Policy
from palm.config.training import Lora
from palm.models.load import load_model
from palm.training.adapters import new_policy, save_policy


def random_policy(base_model: Path, *, seed: int, std: float):
    model = new_policy(load_model(base_model).model, Lora(rank=2, alpha=4), seed=seed).eval()
    torch.manual_seed(seed)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=std)
    return model


def write_untrained(folder: Path, base_model: Path, *, seed: int, weights=(0.5, 0.5), std=0.1, merged=False) -> None:
    """Write a policy whose adapter is random, with its policy.json; merged: as a whole model."""
    model = random_policy(base_model, seed=seed, std=std)
    if merged:
        model.merge_and_unload().save_pretrained(folder)
    else:
        save_policy(model, folder)
    write_record(folder, weights)


def write_record(folder: Path, weights, guard=None) -> None:
    Policy(policy=f"policy-{folder.name}", weights=weights, reward_names=("length", "vowels"), guard=guard).write(
        folder
    )


def write_encoder(folder: Path, base_model: Path, *, seed: int = 0, **config) -> None:
    from transformers import AutoTokenizer, BertConfig, BertModel

    torch.manual_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(base_model)
    size = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=len(tokenizer), **size, **config)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
