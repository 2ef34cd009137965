import hashlib
import json
import shutil

import pytest
from support.reward_cases import train_classifier
from support.workspace import edit_config

from palm.cluster.kfp.input_files import publish_inputs
from palm.config.load import load_config, parse_config
from palm.errors import ClusterError, DataError
from palm.rewards.source import load_reward
from palm.steps.evaluate_policies import evaluate_policy
from palm.steps.prepare_base_model import prepare_base_model
from palm.steps.sample_reference import sample_reference
from palm.steps.train_policy import train_policy
from palm.storage.local_file import local_file


def loaded(workspace):
    return load_config(workspace / "portfolio.yaml")


def modified(s3) -> dict:
    """Keys of all objects, and when each was written."""
    return {entry["Key"]: entry["LastModified"] for entry in s3.list_objects_v2(Bucket="palm")["Contents"]}


def test_files_get_addresses_by_content(cluster_workspace, s3):
    before = loaded(cluster_workspace)
    config = publish_inputs(before)
    content = (cluster_workspace / "train.jsonl").read_bytes()
    assert config.prompts.train == f"s3://palm/store/inputs/{hashlib.sha256(content).hexdigest()}/train.jsonl"
    assert local_file(config.prompts.train).read_bytes() == content
    assert config.base_model.tiny.corpus.startswith("s3://palm/store/inputs/")
    digest = hashlib.sha256((cluster_workspace / "rewards.py").read_bytes()).hexdigest()
    assert [reward.uri for reward in config.rewards] == [
        f"python:s3://palm/store/inputs/{digest}/rewards.py:{name}" for name in ("length", "vowels")
    ]
    assert publish_inputs(config) == config, "addresses are left alone"
    assert parse_config(config.to_json()) == config
    assert str(cluster_workspace) not in config.to_json()
    # Another place, the same content: the same address, and nothing is uploaded again.
    times = modified(s3)
    moved = shutil.copytree(cluster_workspace, cluster_workspace.parent / f"{cluster_workspace.name}-moved")
    assert publish_inputs(loaded(moved)) == config
    assert modified(s3) == times


def test_an_upload_that_was_cut_off_is_done_again(cluster_workspace, s3):
    address = publish_inputs(loaded(cluster_workspace)).prompts.train
    key = address.removeprefix("s3://palm/")
    s3.put_object(Bucket="palm", Key=key, Body=b"cut")
    publish_inputs(loaded(cluster_workspace))
    assert local_file(address).read_bytes() == (cluster_workspace / "train.jsonl").read_bytes()


def test_folders_of_models_get_addresses_too(cluster_workspace, base_model, tmp_path, s3):
    judge = train_classifier(base_model, cluster_workspace / "judge model")
    edit_config(
        cluster_workspace,
        base_model={"source": str(base_model)},
        evaluation={"embedding_model": str(base_model)},
        rewards__0={"name": "judge", "uri": f"hf:{judge}", "label": 0},
    )
    (judge / "pytorch_model.bin").write_bytes(b"never read")
    before = loaded(cluster_workspace)
    config = publish_inputs(before)
    assert config.base_model.source == config.evaluation.embedding_model
    assert config.base_model.source.startswith("s3://palm/store/inputs/")
    assert config.rewards[0].uri.endswith("/judge-model") and config.rewards[0].uri.startswith("s3://palm/")
    assert not [key for key in modified(s3) if key.endswith(".bin")]
    here, there = (load_reward(each.rewards[0], each.registry) for each in (before, config))
    assert here.fingerprint == there.fingerprint
    for name, each in (("here", before), ("there", config)):
        prepare_base_model(each, tmp_path / name)
    records = [json.loads((tmp_path / name / "palm_base_model.json").read_text()) for name in ("here", "there")]
    assert records[0]["digest"] == records[1]["digest"]


def test_hub_models_and_modules_stay_as_they_are(cluster_workspace):
    edit_config(
        cluster_workspace,
        base_model={"source": "org/model@main"},
        rewards__0={"name": "judge", "uri": "hf:org/judge@abc", "label": 0},
        rewards__1={"name": "length", "uri": "python:package.module:length"},
    )
    before = loaded(cluster_workspace)
    config = publish_inputs(before)
    assert (config.base_model, config.rewards) == (before.base_model, before.rewards)


def test_results_that_would_stay_here_are_refused(workspace, cluster_workspace):
    edit_config(workspace, storage__root="store")
    with pytest.raises(ClusterError) as error:
        publish_inputs(loaded(workspace))
    assert str(error.value) == (
        f"storage.root={workspace / 'store'}: is a folder of this machine, which pods cannot see; nor can they see "
        f"{workspace / 'corpus.jsonl'}, which would be published there; give an s3:// prefix, or --storage-root "
        "s3://BUCKET/PREFIX"
    )
    edit_config(workspace, storage__root="s3://palm/store", registry__tracking_uri="sqlite:///m.db")
    with pytest.raises(ClusterError, match="registry.tracking_uri=sqlite:///.*which pods cannot see"):
        publish_inputs(loaded(workspace))


def test_a_missing_file_is_an_error(cluster_workspace):
    (cluster_workspace / "eval.jsonl").unlink()
    with pytest.raises(DataError, match=r"eval\.jsonl: is not a file"):
        publish_inputs(loaded(cluster_workspace))


def test_work_done_with_files_here_is_reused_with_their_addresses(cluster_workspace, tmp_path, s3):
    """Finished work is named by contents: nothing is trained again because an input moved to S3."""

    def stored():
        return {key for key in modified(s3) if "/inputs/" not in key}

    def build(config, folder):
        prepare_base_model(config, folder / "base")
        sample_reference(config, folder / "base", folder / "rollouts")
        given = {"base_model": folder / "base", "rollouts": folder / "rollouts"}
        policy = train_policy(config, [0.5, 0.5], destination=folder / "policy", **given)
        evaluation = evaluate_policy(config, policy=folder / "policy", destination=folder / "evaluation", **given)
        return policy, evaluation

    before = loaded(cluster_workspace)
    policy, evaluation = build(before, tmp_path / "here")
    kept = stored()
    assert not policy.reused and len(kept) > 4
    policy_again, evaluation_again = build(publish_inputs(before), tmp_path / "there")
    assert stored() == kept, "something was made again under another name"
    assert policy_again == policy.model_copy(update={"reused": True}) and evaluation_again == evaluation
