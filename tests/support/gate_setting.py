"""Constructed measurements for the gate: evaluation folders with given means, the champions' and the reference's."""

from pathlib import Path

import numpy as np
import pandas as pd
from support.measurements import evaluation
from support.small_portfolio import small_candidate, small_selection
from support.workspace import edit_config

from palm.artifacts.plan import Champion, EarlierChampion
from palm.artifacts.selection import GapInterval
from palm.artifacts.verdict import Judgement
from palm.config.load import load_config
from palm.evaluation.measured import write_reference
from palm.promotion.gate import judge

SAMPLES = 2


class GateSetting:
    """A workspace whose policies have given mean rewards; all share the noise of the prompts."""

    def __init__(self, folder: Path, prompts: int = 40):
        self.folder, self.rng, self.noise = folder, np.random.default_rng(0), 0.05
        self.prompts = [f"prompt {number}" for number in range(prompts)]
        self.reference = (0.1, 0.1)
        (folder / "plan" / "evaluations").mkdir(parents=True)
        edit_config(
            folder,
            metrics=[{"name": "polite", "uri": "python:rewards.py:length"}],
            promotion={"max_epsilon": 0.2, "max_loss": 0.02},
        )
        self.champion(None, {})

    def evaluation(self, place: Path, name: str, rewards: tuple[float, ...], *, metric: float = 0.5) -> Path:
        place.mkdir(parents=True, exist_ok=True)
        evaluation(name).write(place)
        self._table(rewards, metric).assign(kl=0.0).to_parquet(place / "samples.parquet")
        return place

    def champion(self, version, policies, incomparable="", baseline=()):
        """The champion, and earlier ones as (version, policies, why not comparable)."""
        for name, rewards in [
            item for every in (policies, *(entry[1] for entry in baseline)) for item in every.items()
        ]:
            self.evaluation(self.folder / "plan" / "evaluations" / name, name, rewards)
        Champion(
            version=version,
            members=tuple(policies),
            incomparable=incomparable,
            baseline=[EarlierChampion(version=v, members=tuple(p), incomparable=why) for v, p, why in baseline],
        ).write(self.folder / "plan")

    def judge(
        self, policies, *, upper=0.1, epsilon=0.05, guard=None, metric=0.5, interval=True, missing=(), **promotion
    ) -> Judgement:
        if promotion:
            edit_config(self.folder, **{f"promotion__{key}": value for key, value in promotion.items()})
        config = load_config(self.folder / "portfolio.yaml")
        folders = [
            self.evaluation(self.folder / f"new-{name}", name, rewards, metric=metric)
            for name, rewards in policies.items()
        ]
        self._table(self.reference, 0.5).to_parquet(self.folder / "eval.parquet")
        write_reference(config, self.folder, self.folder / "plan")
        selection = small_selection(
            portfolio=tuple(policies),
            epsilon=epsilon,
            interval=GapInterval.model_construct(upper=upper) if interval else None,
            policies=[small_candidate(name, guard=guard) for name in policies],
            missing=missing,
            min_policies=len(policies),
        )
        return judge(config, selection=selection, evaluations=folders, plan=self.folder / "plan")

    def _table(self, rewards: tuple[float, ...], metric: float) -> pd.DataFrame:
        count = len(self.prompts)
        noises = self.rng.normal(0, 1, size=(count, 1)) * self.noise

        def column(mean: float) -> np.ndarray:
            return np.clip(np.full((count, SAMPLES), mean) + noises, 0, 1).ravel()

        return pd.DataFrame(
            {
                "sample": np.tile(np.arange(SAMPLES), count),
                "prompt": np.repeat(self.prompts, SAMPLES),
                "metric_polite": column(metric),
                "reward_length": column(rewards[0]),
                "reward_vowels": column(rewards[1]),
            }
        )
