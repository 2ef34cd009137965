"""A changed reward costs scoring, and nothing else."""

import json
import shutil
import subprocess
import sys

import pytest
from support.untrained import write_encoder, write_record, write_untrained
from support.workspace import edit_config, make_workspace, write_jsonl

from palm.artifacts.base_model import BaseModel
from palm.artifacts.evaluation import Evaluation, Guard
from palm.artifacts.policy import Policy
from palm.config.load import load_config
from palm.errors import PalmError
from palm.steps.evaluate_policies import evaluate_policies
from palm.steps.prepare_base_model import prepare_base_model
from palm.steps.sample_reference import sample_reference
from palm.storage.digest import folder_digests

NAMES = ("first", "second")


@pytest.fixture
def built(workspace, base_model):
    """Base model and two policies that were made without training, with an encoder for the diversity."""
    write_encoder(workspace / "encoder", base_model)
    changes = {"base_model": {"source": str(base_model)}, "evaluation": {"embedding_model": "./encoder"}}
    config = load_config(edit_config(workspace, rewards__0__normalisation={"kind": "quantile"}, **changes))
    prepare_base_model(config, workspace / "base")
    for seed, name in enumerate(NAMES):
        write_untrained(workspace / name, base_model, seed=seed)
    return workspace


def measure(folder, place: str) -> None:
    config = load_config(folder / "portfolio.yaml")
    sample_reference(config, folder / "base", folder / place / "rollouts")
    paths = {"policies": [folder / name for name in NAMES], "destinations": [folder / place / name for name in NAMES]}
    evaluate_policies(config, base_model=folder / "base", rollouts=folder / place / "rollouts", **paths)


def entries(folder) -> list[str]:
    return sorted(path.name.partition("-")[0] for path in (folder / "store").iterdir())


SCRIPT = """
import sys
from pathlib import Path
from palm.config.load import load_config
from palm.steps.evaluate_policies import evaluate_policies
from palm.steps.sample_reference import sample_reference

folder, rollouts = Path(sys.argv[1]), Path(sys.argv[1]) / "again" / "rollouts"
config = load_config(folder / "portfolio.yaml")
sample_reference(config, folder / "record", rollouts)
policies, destinations = ([folder / place / name for name in ("first", "second")] for place in ("records", "again"))
evaluate_policies(
    config, policies=policies, base_model=folder / "record", rollouts=rollouts, destinations=destinations
)
print(sorted({"torch", "transformers"} & set(sys.modules)))
"""


def test_a_changed_reward_is_scored_without_any_model_and_gives_the_same_to_the_bit(built):
    measure(built, "before")
    assert entries(built) == ["base"] + ["embeddings"] * 2 + ["evaluation"] * 2 + ["responses"] * 4 + ["rollouts"]
    # What is left of base model and policies are their records.
    (built / "record").mkdir()
    shutil.copy(built / "base" / BaseModel.FILE, built / "record")
    for name in NAMES:
        (built / "records" / name).mkdir(parents=True)
        shutil.copy(built / name / Policy.FILE, built / "records" / name)
    rewards = (built / "rewards.py").read_text()
    (built / "rewards.py").write_text(rewards.replace('"aeiou"', '"aei"').replace("min(len(text), 20)", "len(text)"))
    done = subprocess.run([sys.executable, "-c", SCRIPT, built], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
    assert entries(built).count("responses") == 4 and entries(built).count("evaluation") == 4
    # From nothing.
    edit_config(built, storage__root="elsewhere")
    measure(built, "fresh")
    assert folder_digests(built / "again") == folder_digests(built / "fresh")
    before, after = (Evaluation.read(built / place / "first") for place in ("before", "fresh"))
    assert before.rewards["vowels"] != after.rewards["vowels"] and before.kl == after.kl
    assert before.diversity == after.diversity


def test_without_the_responses_the_base_model_is_needed(built):
    measure(built, "before")
    for path in (built / "store").glob("responses-*"):
        shutil.rmtree(path)
    (built / "base" / "model.safetensors").unlink()
    (built / "rewards.py").write_text((built / "rewards.py").read_text().replace('"aeiou"', '"aei"'))
    with pytest.raises(PalmError, match=r"base"):
        measure(built, "again")


@pytest.mark.parametrize(
    ("changes", "sampled"),
    [
        ({"beta": 0.2}, 0),
        ({"metrics": [{"name": "short", "uri": "verifier:length", "target": 3, "scale": 2}]}, 0),
        ({"evaluation": {"distinct_ngrams": 5}}, 0),
        ({"evaluation": {"samples_per_prompt": 4}}, 2),
        ({"evaluation": {"seed": 3}}, 2),
        ({"reference": {"seed": 3}}, 2),
        ({"reference": {"samples_per_prompt": 4}}, 2),
        ({"generation": {"max_new_tokens": 8}}, 4),
        ({"generation": {"max_new_tokens": 16, "batch_size": 4}}, 4),
        ({"base_model__dtype": "bfloat16"}, 4),
    ],
)
def test_responses_are_named_by_what_decides_them(sampled_once, tmp_path, changes, sampled):
    folder = shutil.copytree(sampled_once, tmp_path / "copy")
    before = {path.name for path in (folder / "store").glob("responses-*")}
    edit_config(folder, **changes)
    measure(folder, "after")
    assert len({path.name for path in (folder / "store").glob("responses-*")} - before) == sampled


@pytest.fixture(scope="module")
def sampled_once(tmp_path_factory, base_model):
    folder = make_workspace(tmp_path_factory.mktemp("sampled"))
    config = load_config(edit_config(folder, base_model={"source": str(base_model)}))
    prepare_base_model(config, folder / "base")
    for seed, name in enumerate(NAMES):
        write_untrained(folder / name, base_model, seed=seed, std=0.0)
    measure(folder, "before")
    return folder


def test_a_field_of_the_prompts_is_for_the_rewards(sampled_once, tmp_path):
    folder = shutil.copytree(sampled_once, tmp_path / "copy")
    for name in ("train", "eval"):
        records = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
        write_jsonl(folder / f"{name}.jsonl", [{**record, "answer": 3} for record in records])
    measure(folder, "after")
    assert entries(folder) == ["base"] + ["evaluation"] * 4 + ["responses"] * 4 + ["rollouts"] * 2
    write_jsonl(folder / "eval.jsonl", [{"prompt": "tell moon", "answer": 3}])
    measure(folder, "later")
    assert entries(folder).count("responses") == 7


def test_a_policy_may_stand_for_other_weights(sampled_once, tmp_path):
    folder = shutil.copytree(sampled_once, tmp_path / "copy")
    write_record(folder / "first", [0.25, 0.75])
    guard = Guard(kind="kl", message="too far", step=5, good_step=1)
    write_record(folder / "second", [0.5, 0.5], guard=guard)
    measure(folder, "after")
    first, second = (Evaluation.read(folder / "after" / name) for name in NAMES)
    assert first.weights == (0.25, 0.75) and second.guard == guard
    assert entries(folder) == ["base"] + ["evaluation"] * 4 + ["responses"] * 4 + ["rollouts"]
