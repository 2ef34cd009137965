"""The step evaluate_policies for policies of both kinds, and the diversity that select_portfolio computes."""

import numpy as np
import pandas as pd
import pytest
from support.untrained import write_encoder, write_untrained
from support.workspace import edit_config

from palm.artifacts.evaluation import Evaluation
from palm.artifacts.selection import Selection
from palm.config.load import load_config
from palm.errors import ConfigError, DataError
from palm.evaluation.evaluate import read_answers
from palm.steps.evaluate_policies import evaluate_policies, evaluate_policy
from palm.steps.prepare_base_model import prepare_base_model
from palm.steps.sample_reference import sample_reference
from palm.steps.select_portfolio import select_portfolio

WEIGHTS = {"first": [1.0, 0.0], "whole": [0.5, 0.5], "second": [0.0, 1.0]}


@pytest.fixture
def built(workspace, base_model):
    """Base model, reference rollouts, and policies that were made without training: adapters and a whole model."""
    config = load_config(edit_config(workspace, base_model={"source": str(base_model)}))
    prepare_base_model(config, workspace / "base")
    sample_reference(config, workspace / "base", workspace / "rollouts")
    for seed, (name, weights) in enumerate(WEIGHTS.items()):
        write_untrained(workspace / name, base_model, seed=seed, weights=weights, merged=name == "whole")
    return workspace


def evaluate(folder, config, names, place: str) -> list[Evaluation]:
    destinations = [folder / place / name for name in names]
    evaluate_policies(
        config,
        policies=[folder / name for name in names],
        base_model=folder / "base",
        rollouts=folder / "rollouts",
        destinations=destinations,
    )
    return [Evaluation.read(destination) for destination in destinations]


def select(folder, config, names, place: str) -> Selection:
    evaluations = [folder / place / name for name in names]
    return select_portfolio(config, evaluations=evaluations, destination=folder / "portfolio.json")


def test_a_policy_is_measured_alike_alone_and_among_others(built):
    together = load_config(edit_config(built, storage__root="store-together"))
    evaluations = evaluate(built, together, list(WEIGHTS), "together")
    assert [evaluation.policy for evaluation in evaluations] == [f"policy-{name}" for name in WEIGHTS]
    alone = load_config(edit_config(built, storage__root="store-alone"))
    for name, evaluation in zip(WEIGHTS, evaluations, strict=True):
        single = evaluate_policy(
            alone,
            policy=built / name,
            base_model=built / "base",
            rollouts=built / "rollouts",
            destination=built / "alone" / name,
        )
        assert single == evaluation and evaluation.kl.mean > 0.01
        first, second = (pd.read_parquet(built / place / name / "samples.parquet") for place in ("together", "alone"))
        pd.testing.assert_frame_equal(first, second, check_exact=True)
    assert len({evaluation.kl.mean for evaluation in evaluations}) == 3


def test_samples_hold_everything_about_each_response(built):
    config = load_config(built / "portfolio.yaml")
    (evaluation,) = evaluate(built, config, ["whole"], "evaluations")
    table = pd.read_parquet(built / "evaluations" / "whole" / "samples.parquet")
    assert set(table.columns) >= {
        "policy", "weight_length", "weight_vowels", "prompt_index", "sample", "prompt", "response", "token_ids",
        "truncated", "length", "reward_length", "reward_vowels", "kl", "objective",
    }  # fmt: skip
    assert len(table) == 8 * 8 and set(table["policy"]) == {"policy-whole"}
    assert table["length"].tolist() == [len(ids) for ids in table["token_ids"]]
    scalarised = table["weight_length"] * table["reward_length"] + table["weight_vowels"] * table["reward_vowels"]
    assert table["objective"].to_numpy() == pytest.approx((scalarised - config.beta * table["kl"]).to_numpy())
    assert evaluation.objective.mean == pytest.approx(table["objective"].mean())
    assert evaluation.response_tokens.mean == pytest.approx(table["length"].mean())
    reference = pd.read_parquet(built / "rollouts" / "eval.parquet")
    gain = table.groupby("prompt_index")["objective"].mean() - (
        0.5 * (reference["reward_length"] + reference["reward_vowels"]).groupby(reference["prompt_index"]).mean()
    )
    assert evaluation.gain.mean == pytest.approx(gain.mean())
    assert evaluation.gain.standard_error == pytest.approx(gain.std(ddof=1) / 8**0.5)


def test_end_tokens_do_not_count_as_similarity(built):
    evaluate(built, load_config(built / "portfolio.yaml"), ["first"], "evaluations")
    table = pd.read_parquet(built / "evaluations" / "first" / "samples.parquet")
    answers = read_answers(built / "evaluations" / "first", ["length", "vowels"])
    flat = [ids for row in answers.token_ids for ids in row]
    assert [len(ids) for ids in flat] == (table["length"] - ~table["truncated"]).tolist()


def test_the_selection_has_the_diversity_of_the_portfolio(built):
    config = load_config(edit_config(built, evaluation={"distinct_ngrams": 10}))
    evaluate(built, config, list(WEIGHTS), "evaluations")
    result = select(built, config, WEIGHTS, "evaluations")
    found, members = result.diversity, [policy for policy in result.policies if policy.policy in result.portfolio]
    assert 1 < found.effective_policies.mean <= len(members) + 1e-9
    assert found.single.vendi_score.mean == pytest.approx(
        np.mean([member.diversity.vendi_score.mean for member in members])
    )
    assert found.distinct_ngrams == 10 and found.kernel == "token n-grams"
    assert Selection.read(built) == result


def test_an_embedding_model_is_used_and_part_of_the_definition(built, base_model):
    plain = load_config(built / "portfolio.yaml")
    config = load_config(edit_config(built, evaluation={"embedding_model": "./encoder"}))
    assert config.evaluation.embedding_model == str(built / "encoder")
    names = ["first", "second"]
    found = []
    for place, setting, seed in [("plain", plain, 0), ("one", config, 0), ("again", config, 0), ("other", config, 1)]:
        write_encoder(built / "encoder", base_model, seed=seed)
        found.append(evaluate(built, setting, names, place)[0].diversity)
    assert found[0].kernel == "token n-grams" and found[0].pairwise_distance is None
    assert found[1].kernel == "embeddings" and found[1].pairwise_distance.mean > 0
    assert found[2] == found[1] != found[3]
    assert len(list((built / "store").glob("evaluation-*"))) == 3 * len(names)
    assert select(built, config, names, "one").diversity.kernel == "embeddings"
    (built / "one" / "first" / "embeddings.safetensors").write_bytes(b"{}")
    with pytest.raises(DataError, match="holds no embeddings"):
        select(built, config, names, "one")


def test_settings_that_change_results_are_part_of_the_definition(built):
    for number, changes in enumerate([{}, {"distinct_ngrams": 5}, {"seed": 3}, {"samples_per_prompt": 4}, {}]):
        evaluate(built, load_config(edit_config(built, evaluation=changes)), ["first"], f"evaluations{number}")
    assert len(list((built / "store").glob("evaluation-*"))) == 4


@pytest.mark.parametrize("source", ["some/model", "a@b@c", ""])
def test_an_embedding_model_without_a_revision_is_refused(workspace, source):
    with pytest.raises(ConfigError, match="embedding_model"):
        load_config(edit_config(workspace, evaluation={"embedding_model": source}))
