"""Inputs of `palm smoke`: a tiny model, two competing rewards, three policies that train in seconds."""

import json
from pathlib import Path

import yaml

from palm.config.cluster import Cluster
from palm.config.storage import Storage
from palm.storage.files import write_text

CONFIG = "portfolio.yaml"
_WORDS = ("tea", "oak", "sky", "bread", "stone", "crypt", "area", "myth")
_REWARDS = '''def length(prompts, responses, **fields):
    """Longer is better, up to 20 characters."""
    return [min(len(text), 20) / 20 for text in responses]


def vowels(prompts, responses, **fields):
    """Share of vowels."""
    return [sum(c in "aeiou" for c in text) / max(1, len(text)) for text in responses]
'''
_BEFORE, _AFTER = "min(len(text), 20) / 20", "1 - min(len(text), 20) / 20"


def write_inputs(folder: Path, *, name: str, storage: Storage, tracking_uri: str, cluster: Cluster) -> None:
    """Write a configuration and its inputs; the registered model and the experiment have the portfolio's name."""
    corpus = [
        {"prompt": f"say {first}", "response": " ".join([first, *[second] * count])}
        for first in _WORDS
        for second in _WORDS
        for count in (1, 2, 4)
    ]
    _write_lines(folder / "corpus.jsonl", corpus)
    _write_lines(folder / "train.jsonl", [{"prompt": f"say {word}"} for word in _WORDS])
    _write_lines(folder / "eval.jsonl", [{"prompt": f"tell {word}"} for word in _WORDS])
    write_text(folder / "rewards.py", _REWARDS)
    tiny = {"corpus": "corpus.jsonl", "hidden_size": 16, "heads": 2, "vocabulary_size": 300, "steps": 60}
    config = {
        "name": name,
        "base_model": {"source": "tiny", "tiny": {**tiny, "learning_rate": 0.01}},
        "prompts": {"train": "train.jsonl", "eval": "eval.jsonl"},
        "rewards": [{"name": reward, "uri": f"python:rewards.py:{reward}"} for reward in ("length", "vowels")],
        "beta": 0.1,
        "design": {"strategy": "uniform", "epsilon": 0.4, "delta": 0.1, "size": 3},
        "generation": {"max_new_tokens": 16},
        # Two tasks of the loop, one of them with more than one policy.
        "training": {"backend": "rwr", "steps": 2, "rwr": {"learning_rate": 0.003}, "together": 2},
        "selection": {"size": 2, "delta": 0.01},
        "registry": {"tracking_uri": tracking_uri, "experiment": name, "model": name},
        # The gate passes always: the cluster is tested, not the policies.
        "promotion": {"max_epsilon": 1.0, "max_loss": 1000.0, "min_gain": -1000.0},
        "storage": storage.model_dump(mode="json"),
        "cluster": cluster.model_dump(mode="json"),
    }
    write_text(folder / CONFIG, yaml.safe_dump(config, sort_keys=False))


def change_a_reward(folder: Path) -> None:
    """Invert the reward ``length``, so that a rebuild has something to do."""
    path = folder / "rewards.py"
    write_text(path, path.read_text(encoding="utf-8").replace(_BEFORE, _AFTER))


def _write_lines(path: Path, records: list[dict]) -> None:
    write_text(path, "".join(json.dumps(record) + "\n" for record in records))
