"""What each backend reaches of the possible gain, on a language model whose optimum is known exactly."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from exact_lm import ExactLM, build_exact_lm, load_task, train
from results import Section, show
from rich.console import Console

from palm.evaluation.rollouts import scored, write_rollouts
from palm.models.generate import generate
from palm.models.load import load_model
from palm.rewards.scoring import raw_scores

WORDS, LENGTH, PROMPTS = 4, 4, 2
SEEDS = range(3)
CASES = (((0.6, 0.3, 0.1), 0.05), ((0.2, 0.2, 0.6), 0.1), ((0.1, 0.8, 0.1), 0.2))
"""Preference weights and β."""

STEPS, COPIES = 100, 8
ONLINE = {"steps": STEPS, "responses_per_prompt": 8, "micro_batch_size": 128, "learning_rate": 0.003}
ROLLOUTS = STEPS * COPIES * ONLINE["responses_per_prompt"]
"""Reference responses to each prompt for `rwr`: as many as an online backend samples."""

OFFLINE = {"steps": 1, "micro_batch_size": 16, "rwr": {"learning_rate": 0.003, "batch_size": 128}}


def fidelity(seeds=SEEDS, cases=CASES) -> Section:
    """The comparison as a table.

    Args:
        seeds: of the trainings.
        cases: pairs of preference weights and β.

    Returns:
        One row for each way of training: shares of the possible gain J* - J_ref.
    """
    rows = [
        [row["way"], *(f"{share:.4f}" for share in row["medians"]), f"{row['median']:.4f}", f"{row['worst']:.4f}"]
        for row in fidelity_rows(seeds, cases)
    ]
    responses = sum(WORDS**size for size in range(LENGTH + 1))
    return Section(
        title="Fidelity: share of the possible gain J* - J_ref",
        note=f"A tiny Llama, {PROMPTS} prompts, responses of up to {LENGTH} tokens, all {responses} of them listed: J, "
        f"J* and J_ref are exact. {STEPS} steps of {PROMPTS} x {COPIES} groups of {ONLINE['responses_per_prompt']}, "
        f"started from the reference, the same for all; `rwr` has as many reference responses instead. Medians over "
        f"{len(seeds)} seeds. `fixed point`: where grpo would end without noise, by backward induction. A β too large "
        "for the group can hide part of the divergence that grpo leaves out; how much is chance.",
        columns=("way", *(f"β = {beta:g}" for _, beta in cases), "median", "worst"),
        rows=rows,
    )


def fidelity_rows(seeds=SEEDS, cases=CASES) -> list[dict]:
    """Train every way and measure it exactly.

    Args:
        seeds: of the trainings.
        cases: pairs of preference weights and β.

    Returns:
        List of dicts: way, shares (cases x seeds), medians (over seeds, one for each case), median and worst of all.
    """
    rows = []
    with TemporaryDirectory() as folder:
        lm = build_exact_lm(Path(folder) / "model", words=WORDS, length=LENGTH, prompts=PROMPTS, layers=2)
        _write_reference_rollouts(lm, Path(folder))
        for way, backend, altered in WAYS:
            shares = np.array([
                [_share(lm, np.array(weights), beta, seed, Path(folder), backend, altered) for seed in seeds]
                for weights, beta in cases
            ])  # fmt: skip
            rows.append(_summary(way, shares))
        fixed = [
            [lm.share_of_gain(grpo_fixed_point(lm, np.array(weights), beta=beta), np.array(weights), beta=beta)]
            for weights, beta in cases
        ]
        rows.append(_summary("fixed point of grpo", np.array(fixed)))
    return rows


WAYS = (
    ("rloo", "rloo", None),
    ("grpo", "grpo", None),
    ("grpo, β not corrected for the group", "grpo", lambda beta: {"beta": beta}),
    ("grpo, plain k3", "grpo", lambda beta: {"use_bias_correction_kl": False}),
    ("grpo, rewards scaled by group", "grpo", lambda beta: {"scale_rewards": "group"}),
    ("rwr", "rwr", None),
)


def grpo_fixed_point(lm: ExactLM, weights: np.ndarray, *, beta: float) -> np.ndarray:
    """The policy at which GRPO's expected gradient vanishes.

    Its KL gradient is corrected a token at a time: π(a|s) ∝ π_ref(a|s) exp(Q(s, a) / β) with the expected reward Q of
    what follows, but not its divergence, which J counts too.

    Args:
        lm: the reference policy.
        weights: preference weights, shape (3,).
        beta: β > 0.

    Returns:
        log π(y|x), shape (X, Y).
    """
    rewards, policy = lm.values @ weights, np.zeros_like(lm.reference)

    def settle(prefix: tuple, below: list[int]) -> np.ndarray:
        """Fix the choices below a prefix, and return the expected reward there, shape (X,)."""
        branches: dict[int, list[int]] = {}
        for response in below:
            branches.setdefault(lm.response_ids[response][len(prefix)], []).append(response)
        logs, values = [], []
        for token, responses in branches.items():
            logs.append(np.logaddexp.reduce(lm.reference[:, responses], axis=1))
            values.append(rewards[:, responses[0]] if len(responses) == 1 else settle((*prefix, token), responses))
        tilted = np.stack(logs) + np.stack(values) / beta
        tilted -= np.logaddexp.reduce(tilted, axis=0)
        for choice, responses in zip(tilted, branches.values(), strict=True):
            policy[:, responses] += choice[:, None]
        return (np.exp(tilted) * np.stack(values)).sum(axis=0)

    settle((), list(range(len(lm.response_ids))))
    return policy


def _share(lm: ExactLM, weights: np.ndarray, beta: float, seed: int, folder: Path, backend: str, altered) -> float:
    offline = backend == "rwr"
    policy = train(
        lm,
        weights,
        beta=beta,
        backend=backend,
        scratch=folder,
        copies=1 if offline else COPIES,
        altered=altered and altered(beta),
        seed=seed,
        **(OFFLINE if offline else ONLINE),
    )
    return lm.share_of_gain(policy, weights, beta=beta)


def _write_reference_rollouts(lm: ExactLM, folder: Path) -> None:
    loaded = load_task(lm, np.ones(3) / 3, beta=1.0, scratch=folder, copies=1, backend="rwr", **OFFLINE)
    repeated = lm.prompts.repeat(ROLLOUTS)
    generation = loaded.task.objective.generation
    answers = generate(
        load_model(lm.folder), repeated.texts, max_new_tokens=lm.length, batch_size=generation.batch_size, seed=0
    )
    raw = raw_scores(lm.rewards, repeated, [answer.text for answer in answers])
    loaded.rollouts.mkdir()
    rollouts = scored(lm.prompts, answers, raw, lm.rewards, [])
    write_rollouts(loaded.rollouts / "train.parquet", rollouts, loaded.task.objective.reward_names, [])


def _summary(way: str, shares: np.ndarray) -> dict:
    return {
        "way": way,
        "shares": shares.tolist(),
        "medians": np.median(shares, axis=1).tolist(),
        "median": float(np.median(shares)),
        "worst": float(shares.min()),
    }


if __name__ == "__main__":
    show(fidelity(), Console(width=160))
