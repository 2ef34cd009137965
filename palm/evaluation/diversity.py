"""Diversity of responses to the same prompt: within one policy, and between the policies of a portfolio.

It is computed prompt by prompt and averaged over prompts. Two responses are compared by the cosine of their
embeddings, or without embeddings by the cosine of their counts of token n-grams, n = 1, 2, 3.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from palm.artifacts.evaluation import DistinctShare, Diversity, Mean, ResponseSpread
from palm.artifacts.selection import PortfolioDiversity
from palm.errors import DataError
from palm.evaluation.measure import mean_over_prompts

NGRAM_SIZES = (1, 2, 3)
RESAMPLES = 10
"""Random mixtures, and random exchanges of responses between policies, per prompt."""


@dataclass(frozen=True)
class Answers:
    """A policy's responses to p prompts, n to each.

    Attributes:
        token_ids: without end tokens, p lists of n lists.
        embeddings: unit vectors, zero for an empty response, shape (p, n, width); None without an embedding model.
    """

    token_ids: list[list[list[int]]]
    embeddings: np.ndarray | None = None

    @property
    def kernel_name(self) -> str:
        """Quantity that the Vendi score compares."""
        return "token n-grams" if self.embeddings is None else "embeddings"


def within_policy(answers: Answers, *, ngrams: int) -> Diversity:
    """Diversity of one policy's responses to the same prompt.

    Args:
        ngrams: number m of n-grams of each prompt that are compared.
    """
    grids = [_gram_counts(answers.token_ids[prompt]) for prompt in range(len(answers.token_ids))]
    kernels = [_kernel(_features([answers], prompt, grids[prompt])) for prompt in range(len(grids))]
    shares = [[distinct_share(grid.sum(axis=0), ngrams) for grid in sizes] for sizes in grids]
    return Diversity(
        kernel=answers.kernel_name,
        samples_per_prompt=len(answers.token_ids[0]),
        vendi_score=_mean([vendi_score(kernel) for kernel in kernels]),
        pairwise_distance=None if answers.embeddings is None else _mean([_distance(kernel) for kernel in kernels]),
        distinct=_by_size(np.array(shares, dtype=np.float64)),
        distinct_ngrams=ngrams,
    )


def between_policies(portfolio: list[Answers], *, ngrams: int, seed: int) -> PortfolioDiversity:
    """Diversity of a portfolio: its policies mixed in equal parts, and how far apart they are.

    Args:
        portfolio: answers of each policy to the same prompts, as many to each; length K ≥ 1.
        ngrams: number m of n-grams of each prompt that are compared.
        seed: seed of the random mixtures and exchanges.

    Returns:
        ``single`` is the mean over the policies. ``mixture`` is that of a user who is answered by a random policy
        each time: the Vendi score of n responses drawn from all K n, the distance of two such answers, and the
        share of different ones among m n-grams from all. ``effective_policies`` is the Vendi score of all responses
        over the geometric mean of the policies' scores, from 1 (the same responses) to K (nothing in common).
        ``effective_policies_by_chance`` is the same with responses exchanged at random between the policies: the
        value for K equal policies with n samples. Only the excess over it is a difference of policies.

    Raises:
        DataError: the policies answered different numbers of prompts or samples.

    Source:
        The ratio is the beta diversity of Jost (2007) with the Vendi score as diversity: equal parts of K policies
        have von Neumann entropy between the mean of theirs and that plus log K.
    """
    shapes = {tuple(len(samples) for samples in answers.token_ids) for answers in portfolio}
    if len(shapes) != 1 or len(set(next(iter(shapes)))) != 1:
        raise DataError(
            "responses of the portfolio",
            rule="must be to the same prompts, as many to each",
            remedy="evaluate all policies with the same configuration",
        )
    rng = np.random.default_rng(seed)
    parts = [_between(portfolio, prompt, ngrams, rng) for prompt in range(len(portfolio[0].token_ids))]
    columns = {name: [part[name] for part in parts] for name in parts[0]}
    single, mixture = (np.array(columns[name], dtype=np.float64) for name in ("single_distinct", "mixture_distinct"))
    embedded = portfolio[0].embeddings is not None

    def spread(name: str, shares: np.ndarray) -> ResponseSpread:
        return ResponseSpread(
            vendi_score=_mean(columns[f"{name}_vendi"]),
            pairwise_distance=_mean(columns[f"{name}_distance"]) if embedded else None,
            distinct=_by_size(shares),
        )

    return PortfolioDiversity(
        kernel=portfolio[0].kernel_name,
        samples_per_prompt=len(portfolio[0].token_ids[0]),
        # On the prompts where both are known.
        single=spread("single", np.where(np.isnan(mixture), np.nan, single)),
        mixture=spread("mixture", np.where(np.isnan(single), np.nan, mixture)),
        distinct_ngrams=ngrams,
        effective_policies=mean_over_prompts(np.array(columns["effective"])),
        effective_policies_by_chance=mean_over_prompts(np.array(columns["by_chance"])),
    )


def vendi_score(kernel: np.ndarray) -> float:
    """Effective number of different items.

    Args:
        kernel: similarities, shape (n, n), positive semi-definite with 1 on the diagonal.

    Returns:
        exp(-Σ λ log λ) over the eigenvalues λ of kernel / n: from 1 (all alike) to n (nothing in common).

    Source: Friedman and Dieng (2023), The Vendi Score.
    """
    return float(np.exp(_entropy(kernel)))


def distinct_share(counts: np.ndarray, draws: int) -> float:
    """Expected share of different n-grams among a fixed number of them.

    The plain ratio of different to all n-grams falls as texts get longer. The share among m n-grams drawn without
    replacement does not: Σ_g (1 - C(N - c_g, m) / C(N, m)) / m, in closed form.

    Args:
        counts: occurrences of each n-gram, shape (g,).
        draws: n-grams drawn, m ≥ 1.

    Returns:
        In (0, 1]; NaN where there are fewer than m n-grams.

    Source: Li et al. (2016), distinct-n; Hurlbert (1971), rarefaction; McCarthy and Jarvis (2010), HD-D.
    """
    total = counts.sum()
    if total < draws:
        return float("nan")
    rest = total - counts.astype(np.float64)
    enough = rest >= draws
    missed = np.zeros(len(rest))
    # log C(rest, m) - log C(total, m)
    missed[enough] = np.exp(
        gammaln(rest[enough] + 1) - gammaln(rest[enough] - draws + 1) - gammaln(total + 1) + gammaln(total - draws + 1)
    )
    return float((1 - missed).sum() / draws)


def _between(portfolio: list[Answers], prompt: int, ngrams: int, rng: np.random.Generator) -> dict:
    grids = _gram_counts([ids for answers in portfolio for ids in answers.token_ids[prompt]])
    kernel, policies = _kernel(_features(portfolio, prompt, grids)), len(portfolio)
    samples = len(kernel) // policies
    groups = np.arange(len(kernel)).reshape(policies, samples)
    shuffled = [rng.permutation(len(kernel)) for _ in range(RESAMPLES)]
    mixtures = [order[:samples] for order in shuffled]
    whole, alone = _entropy(kernel), [_entropy(_block(kernel, group)) for group in groups]
    # Mean cosine within each policy, a response with itself left out, and summed over pairs of policies.
    sums = kernel.reshape(policies, samples, policies, samples).sum(axis=(1, 3))
    pairs = samples * (samples - 1)
    own = (np.diag(sums) - samples) / pairs if pairs else np.full(policies, np.nan)
    across = (sums.sum() - np.trace(sums)) / samples**2
    return {
        "single_vendi": np.exp(alone).mean(),
        "single_distance": 1 - own.mean(),
        "single_distinct": _distinct(grids, groups, ngrams),
        "mixture_vendi": np.mean([vendi_score(_block(kernel, mixture)) for mixture in mixtures]),
        "mixture_distance": 1 - (own.sum() + across) / policies**2,
        "mixture_distinct": _distinct(grids, mixtures, ngrams),
        "effective": np.exp(whole - np.mean(alone)),
        "by_chance": np.mean(
            [
                np.exp(whole - np.mean([_entropy(_block(kernel, group)) for group in order.reshape(policies, samples)]))
                for order in shuffled
            ]
        ),
    }


def _distinct(grids: list[np.ndarray], groups: Iterable[np.ndarray], draws: int) -> list[float]:
    """Mean over groups of responses of the share of different n-grams, for each n; NaN if a group has too few."""
    return [float(np.mean([distinct_share(grid[group].sum(axis=0), draws) for group in groups])) for grid in grids]


def _block(kernel: np.ndarray, group: np.ndarray) -> np.ndarray:
    return kernel[np.ix_(group, group)]


def _entropy(kernel: np.ndarray) -> float:
    eigenvalues = np.linalg.eigvalsh(kernel / len(kernel))
    positive = eigenvalues[eigenvalues > 0]
    return float(-(positive * np.log(positive)).sum())


def _features(portfolio: list[Answers], prompt: int, grids: list[np.ndarray]) -> np.ndarray:
    """Features of the responses to a prompt, policy by policy, shape (K n, f)."""
    if portfolio[0].embeddings is None:
        return np.concatenate(grids, axis=1)
    return np.concatenate([answers.embeddings[prompt] for answers in portfolio]).astype(np.float64)


def _kernel(features: np.ndarray) -> np.ndarray:
    """Cosines of all pairs of rows; empty responses equal each other and have cosine 0 with all others."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    units = np.divide(features, lengths, out=np.zeros(features.shape), where=lengths > 0)
    empty = (lengths == 0).astype(np.float64)
    return units @ units.T + empty @ empty.T


def _gram_counts(responses: list[list[int]]) -> list[np.ndarray]:
    """Occurrences of each n-gram in each response: for each n an array of shape (responses, different n-grams)."""
    result = []
    for size in NGRAM_SIZES:
        grams = [[tuple(ids[i : i + size]) for i in range(len(ids) - size + 1)] for ids in responses]
        places = {gram: place for place, gram in enumerate(dict.fromkeys(gram for row in grams for gram in row))}
        counts = np.zeros((len(responses), len(places)))
        for number, row in enumerate(grams):
            np.add.at(counts[number], [places[gram] for gram in row], 1)
        result.append(counts)
    return result


def _by_size(shares: np.ndarray) -> dict[str, DistinctShare | None]:
    """Means over the prompts that have enough n-grams, from shares of shape (p, sizes)."""
    known = [column[~np.isnan(column)] for column in shares.T]
    return {
        str(size): DistinctShare(**dict(mean_over_prompts(values)), prompts=len(values)) if len(values) else None
        for size, values in zip(NGRAM_SIZES, known, strict=True)
    }


def _distance(kernel: np.ndarray) -> float:
    count = len(kernel)
    return float(1 - (kernel.sum() - np.trace(kernel)) / (count * (count - 1))) if count > 1 else float("nan")


def _mean(values: list[float]) -> Mean | None:
    return None if np.isnan(values).any() else mean_over_prompts(np.array(values))
