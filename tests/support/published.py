"""Portfolios of untrained adapters in a registry, ready to be served."""

from pathlib import Path

import numpy as np
import torch
from support.small_portfolio import register_small

from palm.config.portfolio import BaseModelSource, PortfolioConfig
from palm.config.training import Lora
from palm.models.load import load_model
from palm.serving.portfolio import write_portfolio
from palm.serving.router import Router
from palm.storage.digest import folder_digests
from palm.training.adapters import new_policy, save_policy

POLICIES = ("policy-a", "policy-b")
BASE = "s3://palm/models/base"


def upload_base(s3, base_model: Path) -> None:
    """The base model where portfolios refer to it."""
    for path in base_model.iterdir():
        s3.upload_file(str(path), "palm", f"models/base/{path.name}")


def write_adapters(folder: Path, base_model: Path, seed: int) -> dict[str, Path]:
    """Two adapters that answer otherwise than the base model and each other."""
    folders = {}
    for number, name in enumerate(POLICIES):
        model = new_policy(load_model(base_model).model, Lora(rank=2, alpha=4), seed=seed + number)
        for key, weight in model.named_parameters():
            if "lora_B" in key:
                torch.nn.init.normal_(weight, std=0.5)
        folders[name] = folder / name
        save_policy(model, folders[name])
    return folders


def publish(config: PortfolioConfig, folder: Path, base_model: Path, *, seed: int) -> Path:
    """Register a portfolio over the base model in S3; its folder."""
    portfolio = folder / f"portfolio-{seed}"
    portfolio.mkdir()
    write_portfolio(
        portfolio,
        router=Router(tuple(config.reward_names), POLICIES, np.array([[0.9, 0.1], [0.1, 0.9]])),
        policies=write_adapters(folder / f"adapters-{seed}", base_model, seed),
        base_model=base_model,
        base_source=BaseModelSource(source=BASE),
        base_files=folder_digests(base_model),
        max_new_tokens=8,
    )
    register_small(config, portfolio, f"build-{seed}")
    return portfolio
