"""A workspace: a folder with a configuration that builds a portfolio of two rewards in seconds a step."""

import json
from pathlib import Path

import yaml

REWARDS = '''
def length(prompts, responses, **fields):
    """Longer is better, up to 20 characters."""
    return [min(len(text), 20) / 20 for text in responses]

def vowels(prompts, responses, **fields):
    """Share of vowels."""
    return [sum(c in "aeiou" for c in text) / max(1, len(text)) for text in responses]
'''
WORDS = ("tea", "oak", "sky", "bread", "stone", "crypt", "area", "myth")
TINY = {"hidden_size": 16, "layers": 2, "heads": 2, "vocabulary_size": 300, "steps": 60, "learning_rate": 0.01}


def write_jsonl(path: Path, records: list[dict]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def corpus_records() -> list[dict]:
    return [
        {"prompt": f"say {first}", "response": " ".join([first, *[second] * count])}
        for first in WORDS
        for second in WORDS
        for count in (1, 2, 4)
    ]


def make_workspace(folder: Path) -> Path:
    write_jsonl(folder / "corpus.jsonl", corpus_records())
    write_jsonl(folder / "train.jsonl", [{"prompt": f"say {word}"} for word in WORDS])
    write_jsonl(folder / "eval.jsonl", [{"prompt": f"tell {word}"} for word in WORDS])
    (folder / "rewards.py").write_text(REWARDS)
    config = {
        "name": "small",
        "base_model": {"source": "tiny", "tiny": {"corpus": "corpus.jsonl", **TINY}},
        "prompts": {"train": "train.jsonl", "eval": "eval.jsonl"},
        "rewards": [
            {"name": "length", "uri": "python:rewards.py:length"},
            {"name": "vowels", "uri": "python:rewards.py:vowels"},
        ],
        "beta": 0.1,
        "design": {"strategy": "uniform", "epsilon": 0.4, "delta": 0.1, "size": 3},
        "generation": {"max_new_tokens": 16},
        "training": {"steps": 2, "micro_batch_size": 16, "prompts_per_step": 4, "responses_per_prompt": 4},
        "selection": {"size": 2},
        "registry": {"tracking_uri": "sqlite:///mlflow.db", "experiment": "small", "model": "small"},
        "promotion": {"max_epsilon": 1.0, "min_gain": -1.0},
        "storage": {"root": "store"},
    }
    (folder / "portfolio.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    return folder


def edit_config(workspace: Path, **changes) -> Path:
    """Change keys of the workspace's configuration; dots in names lead into sections."""
    path = workspace / "portfolio.yaml"
    raw = yaml.safe_load(path.read_text())
    for name, value in changes.items():
        *sections, key = name.split("__")
        node = raw
        for section in sections:
            node = node[int(section) if isinstance(node, list) else section]
        node[int(key) if isinstance(node, list) else key] = value
    path.write_text(yaml.safe_dump(raw, sort_keys=False))
    return path
