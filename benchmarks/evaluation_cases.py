"""Evaluation of policies over one base model, against loops that load each model again and go prompt by prompt."""

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from results import Section

from palm.artifacts.policy import Policy
from palm.builds.inputs import load_inputs
from palm.cli.example_files import copy_example
from palm.config.load import load_config
from palm.config.portfolio import PortfolioConfig
from palm.evaluation.evaluate import measure_policy
from palm.evaluation.responses import Responder
from palm.evaluation.rollouts import read_rollouts
from palm.models.load import load_model
from palm.models.prompts import PromptSet
from palm.rewards.scoring import score
from palm.rewards.source import RewardSource
from palm.steps.prepare_base_model import prepare_base_model
from palm.steps.sample_reference import sample_reference
from palm.training.adapters import new_policy, save_policy

POLICIES = 10
SLOW_POLICIES = 3
"""Number of them for the slowest way."""
ADAPTER_SCALE = 0.02
"""Standard deviation of the random LoRA weights: a sequence KL of a few tenths of a nat, as of trained policies."""


@dataclass(frozen=True)
class Setting:
    """The quickstart with policies that were not trained: what they answer does not matter to the time.

    Attributes:
        config: of the quickstart.
        base_model: its tiny Llama.
        rollouts: of the reference.
        adapters: one folder a policy.
    """

    config: PortfolioConfig
    base_model: Path
    rollouts: Path
    adapters: list[Path]


def make_setting(folder: Path, *, policies: int = POLICIES) -> Setting:
    """Train the quickstart's base model and make adapters.

    Args:
        folder: to fill; must not exist.
        policies: how many.

    Returns:
        The setting.
    """
    import torch

    copy_example("quickstart", folder, None)
    config = load_config(folder / "portfolio.yaml")
    base_model, rollouts = folder / "base", folder / "rollouts"
    prepare_base_model(config, base_model)
    sample_reference(config, base_model, rollouts)
    adapters = []
    for seed in range(policies):
        model = new_policy(load_model(base_model).model, config.training.lora, seed=seed)
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=ADAPTER_SCALE)
        adapters.append(folder / f"policy-{seed}")
        save_policy(model, adapters[-1])
    return Setting(config, base_model, rollouts, adapters)


def evaluation(setting: Setting) -> Section:
    """Ours against both loops, taken in turns policy by policy.

    Args:
        setting: the policies.
    """
    rows = evaluation_rows(setting)
    prompts, samples = rows[0]["prompts"], rows[0]["samples"]
    return Section(
        title=f"Evaluation: {POLICIES} policies of the quickstart, {prompts} prompts × {samples} responses",
        note="Rewards and sequence KL of every policy; seconds a policy, loading included. `one base model` also "
        "computes intervals and diversity. The loops load base model and adapter again for each policy and call "
        "`generate` for each prompt, with all its responses in one batch or one by one. `ratio`: median over policies "
        "of the loop's time to ours, the two taken right after each other, with the smallest and the largest.",
        columns=("way", "policies", "s a policy", "ratio", "smallest", "largest", "mean KL"),
        rows=[
            [
                row["way"],
                str(row["policies"]),
                f"{row['seconds']:.2f}",
                *(f"{row[key]:.1f}" for key in ("ratio", "smallest", "largest")),
                f"{row['kl']:.3f}",
            ]
            for row in rows
        ],
    )


def evaluation_rows(setting: Setting) -> list[dict]:
    """Time each way on each policy.

    Args:
        setting: the policies.

    Returns:
        List of dicts: way, policies (how many it was tried on), prompts, samples, seconds (mean a policy), ratio,
        smallest and largest (of the time of each policy to that of ours), kl (mean over all responses; the ways sample
        different ones).
    """
    inputs, samples = load_inputs(setting.config), setting.config.evaluation.samples_per_prompt
    ours = _Ours(setting)
    # The first call of anything pays for imports.
    ours(setting.adapters[0])
    _looped(setting, setting.adapters[0], inputs.evaluation.take([0]), inputs.rewards, batch=samples)
    ways = {
        "one base model": (ours, len(setting.adapters)),
        "loop, a prompt at a time": (
            lambda adapter: _looped(setting, adapter, inputs.evaluation, inputs.rewards, batch=samples),
            len(setting.adapters),
        ),
        "loop, a response at a time": (
            lambda adapter: _looped(setting, adapter, inputs.evaluation, inputs.rewards, batch=1),
            SLOW_POLICIES,
        ),
    }
    seconds, divergences = {way: [] for way in ways}, {way: [] for way in ways}
    for number, adapter in enumerate(setting.adapters):
        for way, (run, policies) in ways.items():
            if number >= policies:
                continue
            start = time.perf_counter()
            divergences[way].append(run(adapter))
            seconds[way].append(time.perf_counter() - start)
    # What is loaded once is paid for by all.
    paid = np.array(seconds["one base model"]) + ours.loading_seconds / len(setting.adapters)
    seconds["one base model"] = paid
    rows = []
    for way, taken in seconds.items():
        ratios = np.array(taken) / paid[: len(taken)]
        rows.append(
            {
                "way": way,
                "policies": len(taken),
                "prompts": len(inputs.evaluation.texts),
                "samples": samples,
                "seconds": float(np.mean(taken)),
                "ratio": float(np.median(ratios)),
                "smallest": float(ratios.min()),
                "largest": float(ratios.max()),
                "kl": float(np.mean(divergences[way])),
            }
        )
    return rows


class _Ours:
    """The library's way."""

    def __init__(self, setting: Setting):
        start = time.perf_counter()
        inputs = load_inputs(setting.config)
        self._responder = Responder(
            load_model(setting.base_model, setting.config.base_model.dtype),
            config=setting.config,
            prompts=inputs.evaluation,
        )
        self._measure = partial(
            measure_policy,
            config=setting.config,
            prompts=inputs.evaluation,
            rewards=inputs.rewards,
            metrics=inputs.metrics,
            reference=read_rollouts(setting.rollouts / "eval.parquet", setting.config.reward_names),
            embeddings=None,
        )
        self._names = setting.config.reward_names
        self._weights = [1 / len(inputs.rewards)] * len(inputs.rewards)
        self.loading_seconds = time.perf_counter() - start

    def __call__(self, adapter: Path) -> float:
        """Evaluate a policy and give its mean KL."""
        policy = Policy(policy=adapter.name, weights=self._weights, reward_names=self._names)
        return float(self._measure(policy, self._responder.respond(adapter.name, adapter)).divergences.mean())


def _looped(setting: Setting, adapter: Path, prompts: PromptSet, rewards: list[RewardSource], *, batch: int) -> float:
    """What one writes first with transformers and PEFT: mean KL of a policy, its responses scored on the way."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(setting.base_model)
    base = AutoModelForCausalLM.from_pretrained(setting.base_model)
    model = PeftModel.from_pretrained(base, str(adapter)).eval()
    samples = setting.config.evaluation.samples_per_prompt
    torch.manual_seed(setting.config.evaluation.seed)
    divergences = []
    with torch.inference_mode():
        for index, text in enumerate(prompts.texts):
            turn = [{"role": "user", "content": text}]
            ids = tokenizer.apply_chat_template(
                turn, add_generation_prompt=True, return_dict=False, return_tensors="pt"
            )
            for _ in range(samples // batch):
                output = model.generate(
                    input_ids=ids,
                    attention_mask=torch.ones_like(ids),
                    do_sample=True,
                    top_k=0,
                    num_return_sequences=batch,
                    max_new_tokens=setting.config.generation.max_new_tokens,
                    pad_token_id=tokenizer.pad_token_id,
                )
                responses = output[:, ids.shape[1] :]
                divergences += _kl(model, output, responses, tokenizer.eos_token_id).tolist()
                texts = tokenizer.batch_decode(responses, skip_special_tokens=True)
                score(rewards, prompts.take([index] * batch), texts)
    return float(np.mean(divergences))


def _kl(model, output, responses, end: int):
    """Sequence KL of responses to one prompt, from all logits; tokens up to the end token count."""
    first = output.shape[1] - responses.shape[1] - 1
    ours = model(input_ids=output).logits[:, first:-1].log_softmax(-1)
    with model.disable_adapter():
        reference = model(input_ids=output).logits[:, first:-1].log_softmax(-1)
    counted = (responses == end).cumsum(1).sub((responses == end).long()) == 0
    return ((ours.exp() * (ours - reference)).sum(-1) * counted).sum(-1)
