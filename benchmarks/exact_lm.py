"""The exact language model: a tiny Llama all of whose responses are listed, so that J, J* and the gain have no noise.

Every token but the end is one word of its own, so the text that a reward sees tells which tokens were sampled.
"""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from itertools import product
from math import sqrt
from pathlib import Path
from statistics import NormalDist

import numpy as np
from testbed import Tabular

from palm.config.portfolio import Generation, Reference, Registry
from palm.config.rewards import PythonReward
from palm.config.training import Training
from palm.models.load import LoadedModel, load_model
from palm.models.prompts import PromptSet, encode_prompts
from palm.rewards.scoring import score
from palm.rewards.source import RewardSource, load_reward
from palm.storage.store import Store
from palm.training.checkpoints import Checkpoints
from palm.training.grpo import faithful_settings
from palm.training.policy_gradient import run_trainer
from palm.training.run import TRAIN
from palm.training.task import (
    ActiveReward,
    Leg,
    LoadedTask,
    Objective,
    Start,
    TrainingResult,
    TrainingTask,
)

REWARDS = ("first", "second", "third")
_END = "<|end|>"
_NORMAL = NormalDist()


def first(prompts, responses, draw, **fields):
    """The first of three random rewards that know nothing of each other."""
    return _random_reward("first", prompts, responses, draw)


def second(prompts, responses, draw, **fields):
    """The second of them."""
    return _random_reward("second", prompts, responses, draw)


def third(prompts, responses, draw, **fields):
    """The third of them."""
    return _random_reward("third", prompts, responses, draw)


def _random_reward(name: str, prompts: list[str], responses: list[str], draw: list[int]) -> list[float]:
    return [_value(name, *place) for place in zip(draw, prompts, responses, strict=True)]


@cache
def _value(name: str, draw: int, prompt: str, response: str) -> float:
    """Φ of the scaled sum of one normal number for each pair of neighbouring words: uniform in [0, 1] over draws."""
    words = response.split() or [""]
    pairs = zip(["", *words[:-1]], words, strict=True)
    total = sum(_NORMAL.inv_cdf(_uniform(f"{name}|{draw}|{prompt}|{before}|{word}")) for before, word in pairs)
    return _NORMAL.cdf(total / sqrt(len(words)))


def _uniform(text: str) -> float:
    return (int.from_bytes(sha256(text.encode()).digest()[:6], "big") + 0.5) / 2**48


@dataclass(frozen=True, eq=False)
class ExactLM:
    """A reference policy with its exact quantities.

    Attributes:
        folder: the model folder.
        prompts: length X, with the field `draw` of the rewards.
        rewards: the reward functions, length d = 3.
        length: longest response, in tokens, its end token included.
        prompt_ids: token ids of the prompts, length X.
        response_ids: token ids of every possible response, length Y; those without end token are cut at ``length``.
        values: r_i(x, y), shape (X, Y, d), in [0, 1].
        reference: log π_ref(y|x), shape (X, Y).
    """

    folder: Path
    prompts: PromptSet
    rewards: list[RewardSource]
    length: int
    prompt_ids: list[list[int]]
    response_ids: list[list[int]]
    values: np.ndarray
    reference: np.ndarray

    def tabular(self, beta: float) -> Tabular:
        """The same problem without a model: closed forms of the optimum."""
        return Tabular(rewards=self.values, reference=np.exp(self.reference), beta=beta)

    def policy(self, model) -> np.ndarray:
        """log π(y|x) of a model with its adapter as it stands, shape (X, Y)."""
        return _log_probabilities(model, self.prompt_ids, self.response_ids)

    def objective(self, policy: np.ndarray, weights: np.ndarray, *, beta: float) -> float:
        """J_w of a policy given as log π(y|x), shape (X, Y), over all responses."""
        gains = self.values @ weights - beta * (policy - self.reference)
        return float((np.exp(policy) * gains).sum(axis=1).mean())

    def share_of_gain(self, policy: np.ndarray, weights: np.ndarray, *, beta: float) -> float:
        """(J_w(π) - J_w(π_ref)) / (J*(w) - J_w(π_ref)): 0 for the reference, 1 for the optimum, never more."""
        start = self.objective(self.reference, weights, beta=beta)
        best = float(self.tabular(beta).optimum(weights)[0])
        return (self.objective(policy, weights, beta=beta) - start) / (best - start)


def build_exact_lm(folder: Path, *, words: int, length: int, prompts: int, layers: int = 1, seed: int = 0) -> ExactLM:
    """Make a random reference policy and list all of its responses.

    Args:
        folder: model folder to make.
        words: tokens besides the end token.
        length: longest response, in tokens.
        prompts: number of prompts, X, of one to three words each.
        layers: of the model; responses of several tokens want two.
        seed: of the model and of the rewards.

    Returns:
        The model with its exact quantities.
    """
    _save_model(folder, words, layers, seed)
    base = load_model(folder)
    rng = np.random.default_rng(seed)
    texts: list[str] = []
    while len(texts) < prompts:
        # Prompts and responses share their words: the mark tells where the one ends.
        text = " ".join([*(f"w{word}" for word in rng.integers(words, size=1 + len(texts) % 3)), _END])
        texts += [text] if text not in texts else []
    chosen = PromptSet(texts, {"draw": [seed] * prompts})
    rewards = [load_reward(PythonReward(name=name, uri=f"python:exact_lm:{name}")) for name in REWARDS]
    response_ids = _all_responses(base, length)
    answers = base.tokenizer.batch_decode(response_ids, skip_special_tokens=True)
    values = score(rewards, chosen.repeat(len(answers)), answers * prompts).reshape(prompts, len(answers), -1)
    prompt_ids = encode_prompts(base.tokenizer, texts)
    reference = _log_probabilities(base.model, prompt_ids, response_ids)
    return ExactLM(folder, chosen, rewards, length, prompt_ids, response_ids, values, reference)


def train(
    lm: ExactLM,
    weights: np.ndarray,
    *,
    beta: float,
    backend: str,
    scratch: Path,
    copies: int = 1,
    altered: dict | None = None,
    **training,
) -> np.ndarray:
    """Train a policy the way a build does and list what it learned.

    Args:
        lm: the reference policy.
        weights: preference weights, shape (3,).
        beta: β > 0.
        backend: rloo, grpo or rwr.
        scratch: folder for the trainer's files.
        copies: groups of responses to each prompt in a step.
        altered: settings that palm's `grpo` pins, with other values: another objective, for comparison.
        training: keys of the configuration's section `training`.

    Returns:
        log π(y|x) of the trained policy, shape (X, Y).
    """
    loaded = load_task(lm, weights, beta=beta, scratch=scratch, copies=copies, backend=backend, **training)
    if altered is None:
        trained = TRAIN[backend](loaded, loaded.task.legs[-1], Start())
    else:
        trained = _train_altered(loaded, altered)
    return lm.policy(trained.model)


def _train_altered(loaded: LoadedTask, altered: dict) -> TrainingResult:
    from trl import GRPOConfig, GRPOTrainer

    faithful = {**faithful_settings(loaded.task), **altered}
    return run_trainer(loaded, loaded.task.legs[-1], Start(), GRPOTrainer, GRPOConfig, faithful)


def load_task(lm: ExactLM, weights: np.ndarray, *, beta: float, scratch: Path, copies: int, **training) -> LoadedTask:
    """The training task of a build with this reference policy."""
    prompts = lm.prompts.repeat(copies)
    active = [(source, float(weight)) for source, weight in zip(lm.rewards, weights, strict=True) if weight > 0]
    objective = Objective(
        base_model="exact",
        dtype="float32",
        prompts="none.jsonl",
        prompts_digest="exact",
        active_rewards=tuple(
            ActiveReward(spec=source.spec, fingerprint=source.fingerprint, weight=weight) for source, weight in active
        ),
        registry=Registry(tracking_uri="sqlite:///none.db", experiment="exact", model="exact"),
        beta=beta,
        generation=Generation(max_new_tokens=lm.length),
        reference=Reference(),
    )
    # The log of grpo is of k3, whose tail is heavy: one sample can put its mean above any limit.
    fixed = {"prompts_per_step": len(prompts.texts), "warm_start": "none", "max_kl": 1e6, "checkpoint_steps": 10**6}
    settings = Training(**fixed, **training)
    leg = Leg(backend=settings.backend, steps=settings.steps)
    task = TrainingTask(objective=objective, legs=(leg,), settings=settings)
    return LoadedTask(
        task=task,
        base_model=lm.folder,
        prompts=prompts,
        rewards=[source for source, _ in active],
        rollouts=scratch / "rollouts",
        policies={},
        scratch=scratch,
        checkpoints=Checkpoints(Store(str(scratch / "store")), "exact"),
        preempted=lambda: False,
        on_step=lambda step, steps, note: None,
    )


def _save_model(folder: Path, words: int, layers: int, seed: int) -> None:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    vocabulary = {_END: 0, **{f"w{index}": index + 1 for index in range(words)}}
    whole_words = Tokenizer(models.WordLevel(vocabulary, unk_token=_END))
    whole_words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=whole_words, eos_token=_END, pad_token=_END)
    width = 128
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(vocabulary),
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=layers,
            num_attention_heads=2,
            max_position_embeddings=64,
            bos_token_id=None,
            eos_token_id=0,
            pad_token_id=0,
            # Logits with a standard deviation of 1: a reference far from uniform.
            initializer_range=width**-0.5,
        )
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _all_responses(base: LoadedModel, length: int) -> list[list[int]]:
    end = base.tokenizer.eos_token_id
    words = [token for token in range(len(base.tokenizer)) if token != end]
    ended = [[*chosen, end] for size in range(length) for chosen in product(words, repeat=size)]
    return ended + [list(chosen) for chosen in product(words, repeat=length)]


def _log_probabilities(model, prompt_ids: list[list[int]], response_ids: list[list[int]]) -> np.ndarray:
    """log π(y|x) for all pairs, one prompt at a time and without left padding, shape (X, Y), float64."""
    import torch

    longest = max(map(len, response_ids))
    padded = torch.tensor([ids + [0] * (longest - len(ids)) for ids in response_ids], device=model.device)
    counted = torch.arange(longest)[None] < torch.tensor([[len(ids)] for ids in response_ids])  # (Y, T)
    rows = []
    with torch.inference_mode():
        for prompt in prompt_ids:
            start = torch.tensor(prompt, device=model.device).expand(len(response_ids), -1)
            logits = model(input_ids=torch.cat([start, padded], dim=1), logits_to_keep=longest + 1).logits
            every = logits[:, :-1].double().log_softmax(-1)  # (Y, T, V)
            taken = every.gather(2, padded[:, :, None])[:, :, 0].cpu()
            rows.append((taken * counted).sum(1).numpy())
    return np.stack(rows)
