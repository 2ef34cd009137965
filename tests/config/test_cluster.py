import pytest
import yaml
from support.workspace import edit_config

from palm.builds.rebuild.snapshot import take_snapshot
from palm.cluster.smoke.inputs import write_inputs
from palm.config.cluster import Cluster, PodResources
from palm.config.load import load_cluster, load_config, load_places
from palm.config.overrides import parse_overrides, with_overrides
from palm.config.resolve import publish_config
from palm.config.storage import Storage
from palm.errors import ConfigError

LARGER = {"tasks": {"cpu": 16, "memory": "128Gi", "gpus": 2}, "parallel": 8, "image": "registry/palm:2"}


def test_training_has_the_keys_of_tasks_that_it_does_not_set():
    cluster = load_cluster(
        parse_overrides(["cluster.tasks.memory=64Gi", "cluster.tasks.cpu=8", "cluster.training.gpus=2"])
    )
    assert cluster.tasks == PodResources(cpu="8", memory="64Gi")
    assert cluster.training == PodResources(cpu="8", memory="64Gi", gpus=2)
    assert Cluster.model_validate(cluster.model_dump()) == cluster
    assert Cluster(tasks=PodResources(retries=0)).training.retries == 0


def test_the_storage_of_a_cluster_test_is_set_too(tmp_path):
    overrides = parse_overrides(["storage.addressing_style=path", "cluster.parallel=2"])
    cluster, storage = load_places(overrides, "s3://palm/smoke")
    write_inputs(tmp_path, name="n", storage=storage, tracking_uri="http://mlflow:5000", cluster=cluster)
    config = load_config(tmp_path / "portfolio.yaml")
    assert config.storage == storage == Storage(root="s3://palm/smoke", addressing_style="path")
    assert config.cluster == cluster and cluster.parallel == 2
    with pytest.raises(ConfigError, match="storage.checksum='x': is not a known key; did you mean 'checksums'"):
        load_places({"storage.checksum": "x"}, "s3://palm/smoke")


def test_a_larger_pod_builds_nothing_again(workspace):
    """The section enters neither what decides on a rebuild nor what names a result, a version or a run's input."""
    before = load_config(workspace / "portfolio.yaml")
    after = load_config(edit_config(workspace, cluster=LARGER))
    assert after.cluster != before.cluster
    assert take_snapshot(after) == take_snapshot(before)
    assert (after.to_json(), after.to_yaml()) == (before.to_json(), before.to_yaml())
    assert publish_config(after) == publish_config(before)


def test_overrides_replace_single_values(workspace):
    raw = yaml.safe_load((workspace / "portfolio.yaml").read_text())
    changed = with_overrides(raw, {"rewards.1.name": "a", "rebuild.steps": 3, "beta": 0.2})
    assert [reward["name"] for reward in changed["rewards"]] == ["length", "a"] and changed["rebuild"] == {"steps": 3}
    assert raw["beta"] == 0.1 and [reward["name"] for reward in raw["rewards"]] == ["length", "vowels"]
    config = load_config(workspace / "portfolio.yaml", {"storage.root": "elsewhere"})
    assert config.storage.root == str(workspace / "elsewhere")


@pytest.mark.parametrize(
    "wrong", [{"cpu": "8k"}, {"memory": "1.5Gi"}, {"gpus": -1}, {"retries": -1}, {"hours": 0}, {"accelerator": "a b"}]
)
def test_resources_that_kfp_does_not_compile_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PodResources(**wrong)
