"""Rewards for tests: from keys as a person writes them, and a classifier that has learned something."""

from pathlib import Path

import torch
from pydantic import TypeAdapter
from support.workspace import corpus_records
from transformers import AutoTokenizer, LlamaForSequenceClassification

from palm.config.rewards import Reward
from palm.models.prompts import PromptSet
from palm.rewards.source import RewardSource, load_reward

LABELS = ["neither", "tea", "oak"]


def spec(uri: str, **keys) -> Reward:
    return TypeAdapter(Reward).validate_python({"name": "mine", "uri": uri, **keys})


def load(uri: str, **keys) -> RewardSource:
    return load_reward(spec(uri, **keys))


def python_reward(folder: Path, body: str, **keys) -> RewardSource:
    """A function `mine` with a given body or, if it defines one itself, a given file."""
    text = body if "mine" in body else f"def mine(prompts, responses, **fields):\n    {body}\n"
    path = folder / "mine.py"
    path.write_text(text)
    return load(f"python:{path}:mine", **keys)


def prompts(count: int, **fields) -> PromptSet:
    return PromptSet([f"say {index}" for index in range(count)], fields)


def train_classifier(base_model: Path, folder: Path, labels: list[str] = LABELS, **config) -> Path:
    """Fine-tune the tiny model to tell which of two words a response holds, and save it."""
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(base_model)
    model = LlamaForSequenceClassification.from_pretrained(base_model, num_labels=len(labels))
    model.config.id2label = dict(enumerate(labels))
    model.config.label2id = {name: index for index, name in enumerate(labels)}
    records = corpus_records()
    targets = torch.tensor([_target(record["response"]) for record in records])
    # Each response under another's prompt, so that only the response tells.
    turns = [
        [{"role": "user", "content": other["prompt"]}, {"role": "assistant", "content": record["response"]}]
        for record, other in zip(records, reversed(records), strict=True)
    ]
    tokenizer.padding_side = "right"
    texts = tokenizer.apply_chat_template(turns, tokenize=False)
    batch = tokenizer(texts, add_special_tokens=False, padding=True, return_tensors="pt", return_token_type_ids=False)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(80):
        optimiser.zero_grad()
        logits = model(**batch).logits
        wanted = torch.nn.functional.one_hot(targets, 3).float()[:, : len(labels)]
        if len(labels) == 1:
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits[:, 0], (targets == 1).float())
        elif config.get("problem_type") == "multi_label_classification":
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted)
        else:
            loss = torch.nn.functional.cross_entropy(logits, targets)
        loss.backward()
        optimiser.step()
    model.config.update(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _target(response: str) -> int:
    return 1 if "tea" in response else 2 if "oak" in response else 0
