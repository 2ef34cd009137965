import re
import subprocess
import sys

import pytest
import yaml
from jsonschema import ValidationError, validate
from support.errors import one_line
from support.workspace import edit_config

from palm.config.load import config_schema, load_config, parse_config
from palm.errors import ConfigError


def test_relative_paths_are_anchored_at_the_file(workspace):
    config = load_config(workspace / "portfolio.yaml")
    assert config.prompts.train == str(workspace / "train.jsonl")
    assert config.base_model.tiny.corpus == str(workspace / "corpus.jsonl")
    assert config.rewards[0].uri == f"python:{workspace}/rewards.py:length"
    assert config.registry.tracking_uri == f"sqlite:///{workspace}/mlflow.db"
    assert config.storage.root == str(workspace / "store")


def test_json_round_trip_is_the_same_configuration(config):
    assert parse_config(config.to_json()) == config


@pytest.mark.parametrize("name", ["R&D", "x#1", "a, b", "50 % [new]", "größe_1.0 (b)", "a|b"])
def test_a_registered_model_has_any_name_that_can_be_addressed(workspace, name):
    assert load_config(edit_config(workspace, registry__model=name)).registry.model == name


def test_a_hub_id_and_remote_addresses_stay_as_they_are(workspace):
    path = edit_config(
        workspace,
        base_model={"source": "org/model@abc"},
        storage__root="s3://bucket/prefix",
        registry__tracking_uri="https://mlflow.example",
    )
    config = load_config(path)
    assert config.base_model.source == "org/model@abc"
    assert config.storage.root == "s3://bucket/prefix"
    assert config.registry.tracking_uri == "https://mlflow.example"


def test_a_folder_beside_the_file_is_a_base_model(workspace):
    (workspace / "org" / "model").mkdir(parents=True)
    config = load_config(edit_config(workspace, base_model={"source": "org/model"}))
    assert config.base_model.source == str(workspace / "org" / "model")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"beat": 0.2}, ["beat=0.2", "not a known key", "'beta'"]),
        ({"training__step": 3}, ["training.step=3", "'steps'"]),
        ({"rewards__0__url": "x"}, ["rewards.0.url", "'uri'"]),
        ({"rewards__1__normalisation": {"kind": "sigmoid", "centre": 1}}, ["centre", "'center'"]),
        ({"base_model__tiny__layer": 3}, ["base_model.tiny.layer=3", "'layers'"]),
        ({"beta": 0}, ["beta=0", "greater than 0"]),
        ({"beta": "much"}, ["beta='much'", "number"]),
        ({"beta": float("nan")}, ["beta=nan", "finite"]),
        ({"training__backend": "ppo"}, ["training.backend='ppo'", "'rloo'"]),
        ({"training__micro_batch_size": 7}, ["micro_batch_size=7", "must divide", "16"]),
        ({"rewards": [{"name": "one", "uri": "python:a:b"}]}, ["rewards", "at least 2"]),
        ({"rewards__1__name": "length"}, ["'length'", "2 times", "unique"]),
        ({"base_model__source": "gpt2"}, ["tiny"]),
        ({"base_model__tiny__heads": 5}, ["hidden_size=16", "heads=5"]),
        ({"design__epsilon": 1.0}, ["design.epsilon=1.0", "less than 1"]),
        ({"rewards__0__normalisation": {"kind": "minmax", "low": 2, "high": 1}}, ["low=2", "high=1"]),
        ({"registry__model": "a/b"}, ["registry.model='a/b'"]),
        ({"registry__model": "it's"}, ["registry.model"]),
        ({"registry__model": "small-promotions"}, ["registry.model='small-promotions'", "must not end in -promotions"]),
        ({"registry__model": "a\nb"}, ["registry.model='a\\nb'", "must be one line"]),
        ({"registry__model": "a|b <img src=x>"}, ["registry.model", "must be one line"]),
        ({"registry__model": "a@champion"}, ["registry.model", "must be one line"]),
        ({"registry__experiment": "a\nb"}, ["registry.experiment='a\\nb'", "one line"]),
        ({"registry__experiment": "<b>"}, ["registry.experiment='<b>'", "without < and >"]),
        ({"registry__tracking_uri": "foo://x"}, ["registry.tracking_uri='foo://x'", "https://"]),
        ({"registry__tracking_uri": ""}, ["registry.tracking_uri"]),
        ({"training__seed": 2**40}, ["training.seed", "4294967296"]),
        ({"storage__root": ""}, ["storage.root"]),
        ({"rewards__0": {"name": "a", "url": "python:a:b"}}, ["rewards.0.url=", "not a known key", "'uri'"]),
        ({"rewards__0": {"name": "a"}}, ["rewards.0.uri", "required"]),
        ({"rewards__0": "python:a:b"}, ["rewards.0='python:a:b'", "must be a section"]),
        ({"rewards__0__uri": "ftp:x:y"}, ["rewards.0.uri='ftp:x:y'", "hf:NAME@REVISION", "verifier:regex"]),
        ({"rewards__0__uri": "python:x"}, ["rewards.0.uri='python:x'", "python:module:function"]),
        ({"rewards__0__uri": "mlflow:x"}, ["rewards.0.uri='mlflow:x'", "mlflow:models:/NAME@ALIAS"]),
        ({"rewards__0__uri": "s3://bucket"}, ["rewards.0.uri='s3://bucket'", "s3://BUCKET/PREFIX"]),
        ({"rewards__0__uri": "verifier:regex"}, ["rewards.0.pattern", "required"]),
        ({"rewards__0": {"name": "a", "uri": "verifier:regex", "patern": "x"}}, ["rewards.0.patern='x'", "'pattern'"]),
        (
            {"rewards__0": {"name": "a", "uri": "verifier:regex", "pattern": "("}},
            ["rewards.0.pattern='('", "expression"],
        ),
        ({"rewards__0": {"name": "a", "uri": "hf:m@1", "label": True}}, ["rewards.0.label=True", "quotes"]),
        ({"rewards__0": {"name": "a", "uri": "hf:m@1", "lable": 1}}, ["rewards.0.lable=1", "'label'"]),
        ({"metrics": [{"name": "a", "uri": "hf:m@1", "output": "score"}]}, ["metrics.0.output='score'", "'logit'"]),
        ({"rewards__0": {"name": "a", "uri": "verifier:length", "target": 3}}, ["rewards.0.scale", "required"]),
        ({"rewards__0__timeout_seconds": 0}, ["rewards.0.timeout_seconds=0", "greater than 0"]),
        ({"rewards__0__normalisation": {"kind": "rank"}}, ["rewards.0.normalisation", "kind='rank'", "'quantile'"]),
        ({"rewards__0__normalisation": {"low": 1}}, ["rewards.0.normalisation", "'kind'", "required"]),
        ({"rewards__0__normalisation": {"kind": "minmax"}}, ["rewards.0.normalisation", "outside: clip"]),
        (
            {"rewards__0__normalisation": {"kind": "quantile", "values": [1, 1], "levels": [0, 1]}},
            ["rewards.0.normalisation", "values must ascend"],
        ),
        (
            {"rewards__0__normalisation": {"kind": "quantile", "values": [1, 2], "levels": [0, 1.5]}},
            ["rewards.0.normalisation.levels.1=1.5", "less than or equal to 1"],
        ),
    ],
)
def test_bad_configuration_is_one_clear_line(workspace, changes, words):
    path = edit_config(workspace, **changes)
    with one_line(ConfigError, *words) as caught:
        load_config(path)
    # Pydantic's names of the members of a union mean nothing to a user.
    assert not re.search(r"(Reward|Classifier|Verifier|minmax|sigmoid|quantile)\.", str(caught.value))


def test_folders_of_classifiers_are_anchored_and_hub_names_are_not(workspace):
    (workspace / "judges" / "tone").mkdir(parents=True)
    uris = ["hf:judges/tone", "hf:./elsewhere", "hf:org/judge@abc", "hf:org/judge"]
    rewards = [{"name": f"r{index}", "uri": uri} for index, uri in enumerate(uris)]
    config = load_config(edit_config(workspace, rewards=rewards, metrics=rewards[:0]))
    assert [reward.uri for reward in config.rewards] == [
        f"hf:{workspace}/judges/tone",
        f"hf:{workspace}/elsewhere",
        "hf:org/judge@abc",
        "hf:org/judge",
    ]
    assert [reward.revision for reward in config.rewards] == [None, None, "abc", None]
    assert parse_config(config.to_json()) == config


@pytest.mark.parametrize(
    "reward",
    [
        {"uri": "python:a.b:c", "timeout_seconds": 3},
        {"uri": "hf:org/judge@abc", "label": "toxic", "normalisation": {"kind": "quantile"}},
        {"uri": "s3://bucket/prefix", "label": 1, "output": "logit", "normalisation": {"kind": "sigmoid"}},
        {"uri": "mlflow:models:/judge@champion"},
        {"uri": "mlflow:models:/judge/3", "max_tokens": 512},
        {"uri": "verifier:regex", "pattern": "a", "mode": "full"},
        {"uri": "verifier:json", "required": ["a"], "fenced": True},
        {"uri": "verifier:number", "field": "answer", "tolerance": 0.1},
        {"uri": "verifier:length", "target": 3, "scale": 1, "prefer": "near"},
    ],
)
def test_every_kind_of_reward_is_one_case_of_the_schema_and_survives_the_way_to_a_task(workspace, reward):
    reward = {"name": "first", **reward}
    config = load_config(edit_config(workspace, rewards__0=reward))
    assert parse_config(config.to_json()) == config
    schema = config_schema()
    entry = {**schema["properties"]["rewards"]["items"], "$defs": schema["$defs"]}
    validate(reward, entry)
    with pytest.raises(ValidationError):
        validate({**reward, "uri": "ftp:x"}, entry)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", ["not valid YAML"]),
        ("- 1", ["must be a YAML mapping"]),
        ("name: a\nname: b", ["'name'", "given twice"]),
        ("name: a", ["base_model", "required"]),
        ("? [a, b]\n: 1", ["not valid YAML"]),
        ("name: 2024-13-45", ["not valid YAML"]),
        ("[" * 3000, ["not valid YAML"]),
    ],
)
def test_malformed_files(tmp_path, text, words):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with one_line(ConfigError, *words):
        load_config(path)


def test_every_key_has_a_description():
    schema = config_schema()
    sections = {"PortfolioConfig": schema, **schema["$defs"]}
    missing = [
        f"{name}.{key}"
        for name, section in sections.items()
        for key, field in section["properties"].items()
        if "description" not in field
    ]
    assert not missing


@pytest.mark.parametrize(
    "changes",
    [
        {"registry__tracking_uri": "https://bob:hunter2@host/path"},
        {"registry__tracking_uri": "https://bob:hun/ter2@host"},
        {"registry__traking_uri": "https://bob:hunter2@host"},
        {"registry": "https://bob:hunter2@host"},
    ],
)
def test_credentials_are_refused_and_not_repeated(workspace, changes):
    with pytest.raises(ConfigError) as caught:
        load_config(edit_config(workspace, **changes))
    assert "ter2" not in str(caught.value)


def test_yaml_merge_keys_work(workspace):
    path = workspace / "portfolio.yaml"
    path.write_text(path.read_text().replace("selection:\n  size: 2", "selection:\n  <<: {delta: 0.1}\n  size: 2"))
    assert load_config(path).selection.delta == 0.1


def bomb(depth: int, line: str = "- &a{} [{}]\n") -> str:
    """A list of which every level repeats the one before ten times."""
    levels = [line.format(n, ",".join(["x" if n == 0 else f"*a{n - 1}"] * 10)) for n in range(depth)]
    return "name:\n" + "".join(levels)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (bomb(9), "aliases repeat more than 100000 values"),
        (bomb(400), "aliases repeat"),
        (bomb(40, "- &a{} {{k: [{}]}}\n"), "aliases repeat"),
        ("name: &a [x, *a]\n", "an alias stands for what it is in"),
        ("name: &a\n  b: {c: *a}\n", "an alias stands for what it is in"),
    ],
)
def test_aliases_that_stand_for_very_much_are_refused(tmp_path, text, words):
    """In an address space that what they stand for would not fit into."""
    path = tmp_path / "bomb.yaml"
    path.write_text(text)
    code = (
        "import resource, sys; from pathlib import Path; from palm.config.load import load_config\n"
        "from palm.errors import ConfigError\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
        "try: load_config(Path(sys.argv[1]))\n"
        "except ConfigError as error: print(error)"
    )
    shown = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True).stdout
    assert f"{path}: is not valid YAML" in shown and words in shown and shown.count("\n") == 1


def test_a_value_may_be_repeated_by_aliases(workspace):
    path = workspace / "portfolio.yaml"
    raw = yaml.safe_load(path.read_text())
    vector = [0.25, 0.75]
    raw["design"] |= {"strategy": "weights", "size": None, "weights": [vector] * 1000}
    path.write_text(yaml.safe_dump(raw))
    assert path.read_text().count("*id001") == 999
    assert load_config(path).design.weights == [vector] * 1000
