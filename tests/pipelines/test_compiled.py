"""The compiled pipelines: the committed form, and properties that the local runner ignores."""

from pathlib import Path

import pytest
import yaml
from support import kfp_mlflow_plugin
from support.custom_resources import CustomResource
from support.schemas import needs_schemas
from support.short_stack import on_a_short_stack

from palm.builds.records import ATTEMPTS_VARIABLE
from palm.config.cluster import Cluster
from palm.config.pods import SECRET_KEYS, TASK_LABELS
from palm.pipelines.compile import PIPELINES, compile_pipeline
from palm.pipelines.compiled import read_pipeline

FOLDER = Path(__file__).parents[2] / "pipelines"
ON_GPU = {"sample-reference", "design-grid", "train-policies", "evaluate-policies"}
HOURS = {**dict.fromkeys(ON_GPU, 2), "train-policies": 3}
ON_CPU = {"detect-change", "select-portfolio", "register-portfolio", "record-outcome"}


@pytest.fixture(scope="module", params=PIPELINES)
def compiled(request, tmp_path_factory):
    """Each pipeline, compiled with settings that all differ from their defaults."""
    place = {"accelerator": "amd.com/gpu", "node_selector": {"pool": "a"}, "tolerations": [{"key": "gpu"}]}
    tasks = {"cpu": "8", "memory": "64Gi", "gpus": 2, "retries": 5, "hours": 2, **place}
    training = {"gpus": 4, "memory": "128Gi", "hours": 3}
    names = {"secret": "keys", "cache_claim": "models", "ca_config_map": "authorities"}
    images = {"image": "registry/palm:cpu", "gpu_image": "registry/palm:gpu"}
    cluster = Cluster(tasks=tasks, training=training, parallel=8, **images, **names)
    path = tmp_path_factory.mktemp("compiled") / "pipeline.yaml"
    on_a_short_stack(compile_pipeline, request.param, path, cluster)
    return read_pipeline(path)


def tasks(specification):
    found = {}
    for part in (specification["root"], *specification["components"].values()):
        for task in _dag(part).values():
            name = task["componentRef"]["name"].removeprefix("comp-")
            if "executorLabel" in specification["components"][f"comp-{name}"]:
                found[name] = task
    return found


def executors(compiled):
    assert compiled.spec["deploymentSpec"]["executors"].keys() == compiled.platform.keys()
    return {
        part.removeprefix("comp-"): (compiled.container(entry), compiled.kubernetes(entry))
        for part, entry in compiled.spec["components"].items()
        if "executorLabel" in entry
    }


@pytest.mark.parametrize("name", PIPELINES)
def test_what_is_committed_is_what_the_code_compiles_to(tmp_path, name):
    on_a_short_stack(compile_pipeline, name, tmp_path / "pipeline.yaml")
    committed = FOLDER / name / "pipeline.yaml"
    assert (tmp_path / "pipeline.yaml").read_text() == committed.read_text(), "run: make compile"


def test_every_task_runs_its_image_without_installing_anything(compiled):
    found = executors(compiled)
    assert set(found) == ON_GPU | ON_CPU
    for part, (container, _) in found.items():
        assert container["image"] == f"registry/palm:{'gpu' if part in ON_GPU else 'cpu'}"
        assert "pip install" not in " ".join(container["command"])


def test_gpus_nodes_and_shared_memory_are_for_the_tasks_that_need_them(compiled):
    for part, (container, kubernetes) in executors(compiled).items():
        resources = container["resources"]
        if part not in ON_GPU:
            assert "accelerator" not in resources and not kubernetes.keys() & {"nodeSelector", "tolerations"}
            assert (resources["resourceCpuLimit"], resources["resourceMemoryLimit"]) == ("2", "8Gi")
            continue
        gpus, memory = ("4", "128Gi") if part == "train-policies" else ("2", "64Gi")
        assert resources["accelerator"]["resourceType"] == "amd.com/gpu"
        assert resources["accelerator"]["resourceCount"] == gpus
        assert (resources["resourceCpuLimit"], resources["resourceCpuRequest"]) == ("8", "8")
        assert (resources["resourceMemoryLimit"], resources["resourceMemoryRequest"]) == (memory, memory)
        assert kubernetes["nodeSelector"] == {"labels": {"pool": "a"}}
        assert kubernetes["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
        assert kubernetes["emptyDirMounts"] == [
            {"medium": "Memory", "mountPath": "/dev/shm", "volumeName": "shared-memory"}
        ]


def test_every_task_has_secrets_the_builds_name_a_time_limit_and_attempts(compiled):
    for part, (container, kubernetes) in executors(compiled).items():
        (secret,) = kubernetes["secretAsEnv"]
        assert secret["secretNameParameter"]["runtimeValue"]["constant"] == "keys"
        assert secret["optional"] and [entry["secretKey"] for entry in secret["keyToEnv"]] == list(SECRET_KEYS)
        # Kubeflow Pipelines' MLflow plugin sets these, for a server of its own.
        assert not {entry["envVar"] for entry in secret["keyToEnv"]} & set(kfp_mlflow_plugin.CREDENTIALS)
        assert kubernetes["fieldPathAsEnv"] == [
            {"fieldPath": "metadata.labels['pipeline/runid']", "name": "PALM_BUILD_ID"}
        ]
        (volume,) = kubernetes["pvcMount"]
        assert (volume["constant"], volume["mountPath"]) == ("models", "/cache")
        assert {"name": "XDG_CACHE_HOME", "value": "/cache"} in container["env"]
        (authorities,) = kubernetes["configMapAsVolume"]
        assert authorities["configMapNameParameter"]["runtimeValue"]["constant"] == "authorities"
        assert authorities["mountPath"] == "/etc/palm-ca"
        assert {"name": "AWS_CA_BUNDLE", "value": "/etc/palm-ca/ca.crt"} in container["env"]
        assert {"name": ATTEMPTS_VARIABLE, "value": "6"} in container["env"]
        assert kubernetes["podMetadata"] == {"labels": TASK_LABELS}
        assert kubernetes["securityContext"] == {"runAsNonRoot": True}
        assert kubernetes["activeDeadlineSeconds"] == str(3600 * HOURS.get(part, 4))
    for part, task in tasks(compiled.spec).items():
        # Room for six attempts at their time limits, and for pauses of 1, 2, 4, 8 and 16 minutes.
        seconds = 6 * 3600 * HOURS.get(part, 4) + 31 * 60
        assert task["retryPolicy"] == {
            "maxRetryCount": 5,
            "backoffDuration": "60s",
            "backoffFactor": 2.0,
            "backoffMaxDuration": f"{seconds}s",
        }


def test_a_run_has_three_inputs_and_every_task_is_given_those_that_it_names(compiled):
    """A cluster refuses a task whose inputs nobody hands in; the local runner does not look at all of them."""
    specification = compiled.spec
    assert set(specification["root"]["inputDefinitions"]["parameters"]) == {"config", "storage_root", "tracking_uri"}
    assert "componentInputParameter" not in yaml.safe_dump(compiled.platform)
    assert "{{$.pipeline_job" not in yaml.safe_dump(specification), "an input that differs in every run"
    components = specification["components"]
    for part in (specification["root"], *components.values()):
        known = set(part.get("inputDefinitions", {}).get("parameters", {}))
        for task in _dag(part).values():
            items = {task.get("parameterIterator", {}).get("itemInput")}
            assert _found(task, "componentInputParameter") - items <= known, task["taskInfo"]["name"]


def _found(node, key: str) -> set[str]:
    if isinstance(node, list):
        return {value for part in node for value in _found(part, key)}
    if not isinstance(node, dict):
        return set()
    own = {node[key]} if isinstance(node.get(key), str) else set()
    return own | {value for part in node.values() for value in _found(part, key)}


def test_every_task_has_a_readable_name_and_is_not_cached(compiled):
    """KFP's cache would hand on names of entries that garbage collection has removed."""
    for part, task in tasks(compiled.spec).items():
        assert not task["cachingOptions"].get("enableCache", False)
        assert task["taskInfo"]["name"] != part and task["taskInfo"]["name"][0].isupper()


def test_without_retries_a_failure_is_for_good_at_once(tmp_path):
    on_a_short_stack(compile_pipeline, "build_portfolio", tmp_path / "pipeline.yaml", Cluster(tasks={"retries": 0}))
    specification, _ = yaml.safe_load_all((tmp_path / "pipeline.yaml").read_text())
    assert all("retryPolicy" not in task for task in tasks(specification).values())
    assert ATTEMPTS_VARIABLE not in yaml.safe_dump(specification)


def test_one_loop_over_groups_trains_so_many_at_once(compiled):
    """Items are groups, which come from the design: a run decides how many policies a task trains."""
    components = compiled.spec["components"]
    (loop,) = [task for part in components.values() for task in _dag(part).values() if "parameterIterator" in task]
    assert loop["iteratorPolicy"]["parallelismLimit"] == 8
    items = loop["parameterIterator"]["items"]["inputParameter"]
    assert loop["inputs"]["parameters"][items]["taskOutputParameter"] == {
        "producerTask": "design-grid",
        "outputParameterKey": "Output",
    }
    inner = _dag(components[loop["componentRef"]["name"]])
    assert set(inner) == {"train-policies", "evaluate-policies"}
    group = inner["train-policies"]["inputs"]["parameters"]["group"]["componentInputParameter"]
    assert group == loop["parameterIterator"]["itemInput"]


def test_the_graph_of_a_build_can_be_read(compiled):
    """At most two edges into a step: the UI draws every producer of an input as a line."""
    (build,) = [dag for dag in map(_dag, compiled.spec["components"].values()) if "design-grid" in dag]
    producers = {
        task: _found(entry, "producerTask") | set(entry.get("dependentTasks", [])) for task, entry in build.items()
    }
    assert len(build.keys() - {"detect-change"}) == 5
    assert sum(map(bool, producers.values())) == len(build) - 1
    assert {task: found for task, found in producers.items() if len(found) > 2} == {}


def test_no_list_of_artifacts_flows(compiled):
    """Each artifact is 0.6 kB in the status of a run, for each task that takes it."""
    components = compiled.spec["components"]
    for part in components.values():
        for side in ("inputDefinitions", "outputDefinitions"):
            for artifact in part.get(side, {}).get("artifacts", {}).values():
                assert not artifact.get("isArtifactList", False)
    taken = {
        part.removeprefix("comp-"): set(entry.get("inputDefinitions", {}).get("artifacts", {}))
        for part, entry in components.items()
        if "executorLabel" in entry
    }
    assert {part: names for part, names in taken.items() if names} == {
        "train-policies": {"plan"},
        "evaluate-policies": {"plan"},
        "select-portfolio": {"plan"},
        "register-portfolio": {"plan", "selection"},
    }


def _dag(part) -> dict[str, dict]:
    return part.get("dag", {}).get("tasks", {})


def test_the_outcome_is_recorded_last_whatever_happened(compiled):
    root = compiled.spec["root"]["dag"]["tasks"]
    assert root["record-outcome"]["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"
    only = root["record-outcome"]["inputs"]["parameters"]["only_if_changed"]["runtimeValue"]["constant"]
    assert only is (compiled.spec["pipelineInfo"]["name"] == "rebuild-on-change")


def test_only_a_rebuild_waits_for_a_change(compiled):
    conditions = [
        task["triggerPolicy"]["condition"]
        for part in compiled.spec["components"].values()
        for task in _dag(part).values()
        if "condition" in task.get("triggerPolicy", {})
    ]
    changed = ["inputs.parameter_values['pipelinechannel--changed'] == true"]
    assert conditions == (changed if compiled.spec["pipelineInfo"]["name"] == "rebuild-on-change" else [])


@needs_schemas
@pytest.mark.parametrize("name", PIPELINES)
def test_the_objects_for_kubectl_hold_the_same_pipeline_and_the_api_server_takes_them(tmp_path, name):
    on_a_short_stack(lambda: compile_pipeline(name, tmp_path / "manifest.yaml", manifest=True))
    pipeline, version = yaml.safe_load_all((tmp_path / "manifest.yaml").read_text())
    specification, platform = yaml.safe_load_all((FOLDER / name / "pipeline.yaml").read_text())
    assert (pipeline["kind"], version["kind"]) == ("Pipeline", "PipelineVersion")
    assert version["spec"]["pipelineName"] == pipeline["metadata"]["name"] == name.replace("_", "-")
    assert version["spec"]["pipelineSpec"] == specification and version["spec"]["platformSpec"] == platform
    assert CustomResource("pipelines.kubeflow.org_pipelines.yaml").problems(pipeline) == []
    kind = CustomResource("pipelines.kubeflow.org_pipelineversions.yaml")
    assert kind.problems(version) == []
    del version["spec"]["pipelineSpec"]
    assert kind.problems(version) != []
