"""Files between steps: written and read by models, documented by their schemas, of one version."""

import json

import jsonschema
import pytest
from support.measurements import evaluation

from palm.artifacts.evaluation import Evaluation
from palm.artifacts.plan import Work
from palm.artifacts.policy import Policy
from palm.artifacts.schema import artifact_schema, artifact_types
from palm.errors import DataError
from palm.storage.files import read_json, write_json

IN_THE_BUILD = {
    "base_model": "base_model/palm_base_model.json",
    "reference": "rollouts/reference.json",
    "calibration": "rollouts/calibration.json",
    "design": "design",
    "plan": "plan/plan.json",
    "champion": "plan/champion.json",
    "work": "plan/work.json",
    "policy": "policy0/policy.json",
    "answers": "policy0/answers.json",
    "training_log": "policy0/training_log.json",
    "evaluation": "evaluation0/evaluation.json",
    "selection": "selection",
    "registration": "registration",
    "verdict": "verdict",
    "summary": "summary",
    "routing": "mlartifacts/**/routing.json",
}


def test_no_artifact_is_left_out():
    """The outcome is written by the last task of a pipeline, which the library's build does not have."""
    assert set(artifact_types()) == {*IN_THE_BUILD, "outcome"}


@pytest.mark.parametrize("name", IN_THE_BUILD)
def test_every_file_of_a_build_follows_its_schema_and_is_read_as_it_was_written(build, name, tmp_path):
    path, model = next(build.folder.glob(IN_THE_BUILD[name])), artifact_types()[name]
    jsonschema.validate(read_json(path), artifact_schema(name))
    model.read(path).write(tmp_path)
    assert (tmp_path / model.FILE).read_text() == path.read_text()


@pytest.mark.parametrize("name", IN_THE_BUILD)
def test_files_of_the_first_version_lack_the_key_and_are_read(build, name):
    path, model = next(build.folder.glob(IN_THE_BUILD[name])), artifact_types()[name]
    content = read_json(path)
    assert content.pop("schema_version") == 1
    assert model.parse(content, name) == model.read(path)


def test_a_schema_refuses_what_the_model_refuses(build):
    content = read_json(build.policies[0] / Policy.FILE)
    for broken in ({**content, "surprise": 1}, {**content, "weights": "equal"}, {**content, "schema_version": 2}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, artifact_schema("policy"))
        with pytest.raises(DataError):
            Policy.parse(broken, "policy.json")
    del content["schema_version"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, artifact_schema("policy"))


@pytest.mark.parametrize(("version", "shown"), [(2, "2"), (None, "null"), ("1", '"1"')])
def test_an_unknown_version_is_refused_in_one_line(tmp_path, version, shown):
    evaluation().write(tmp_path)
    path = tmp_path / Evaluation.FILE
    write_json(path, {**read_json(path), "schema_version": version})
    with pytest.raises(DataError) as refused:
        Evaluation.read(tmp_path)
    assert str(refused.value) == (
        f"{path}: schema_version {shown}: must be 1, the version of evaluation that this palm reads; "
        "write it with the same version of palm; `palm schema --artifact evaluation` documents it"
    )


def test_the_first_key_that_breaks_the_schema_is_named(tmp_path):
    evaluation().write(tmp_path)
    path = tmp_path / Evaluation.FILE
    content = read_json(path)
    content["gain"]["mean"] = "high"
    write_json(path, content)
    with pytest.raises(DataError, match=r"evaluation\.json: gain\.mean: breaks the schema of evaluation: "):
        Evaluation.read(path)


def test_a_file_without_its_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="elsewhere"):
        Work.read(tmp_path / "elsewhere")


def test_an_unknown_artifact_is_refused_with_the_names():
    with pytest.raises(DataError) as refused:
        artifact_schema("polcy")
    assert "\n" not in str(refused.value) and "give one of answers, base_model, calibration" in str(refused.value)


def test_a_policy_of_another_trainer_needs_a_name_and_weights_only():
    policy = Policy(policy="mine", weights=(0.5, 0.5), reward_names=("a", "b"))
    assert Policy.parse(json.loads(policy.model_dump_json()), "policy.json") == policy
