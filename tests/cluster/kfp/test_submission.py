import json

import pytest
import yaml
from support.cluster_commands import palm
from support.workspace import edit_config

from palm.cluster.kfp.connection import Address, connect
from palm.cluster.kfp.submission import follow
from palm.config.resolve import LONGEST_ADDRESS, resolve_config
from palm.errors import ClusterError


def test_a_run_of_an_uploaded_version_with_the_configuration(kfp, submit, cluster_workspace):
    lines = submit().stdout.splitlines()
    (run,) = kfp.runs.values()
    (version,) = kfp.versions.values()
    (experiment,) = kfp.experiments.values()
    assert lines == [
        f"{version['display_name']} uploaded",
        f"run {run['run_id']} ({run['display_name']})",
        f"{kfp.url}/#/runs/details/{run['run_id']}",
    ]
    assert run["display_name"].startswith("small 20") and experiment["display_name"] == "palm"
    assert version["pipeline_spec"]["pipelineInfo"]["name"] == "build-portfolio"
    parameters = run["runtime_config"]["parameters"]
    address = parameters.pop("config")
    assert address.startswith("s3://palm/store/configs/") and len(address) <= LONGEST_ADDRESS
    config = resolve_config(address)
    assert config.prompts.train.startswith("s3://palm/store/inputs/") and config.name == "small"
    assert str(cluster_workspace) not in config.to_json()
    assert not parameters and "plugins_input" not in run
    inputs = version["pipeline_spec"]["root"]["inputDefinitions"]["parameters"]
    assert set(inputs) == {"config", "storage_root", "tracking_uri"}


def test_the_same_pipeline_is_never_uploaded_twice(kfp, submit):
    assert submit().stdout.splitlines()[0].endswith(" uploaded")
    assert submit().stdout.splitlines()[0].endswith(" was there already")
    assert len(kfp.runs) == 2 and len(kfp.versions) == 1
    assert sum(request.startswith("POST /apis/v2beta1/pipelines/upload") for request in kfp.requests) == 1
    submit("--set", "cluster.parallel=8")
    submit("--set", "cluster.image=registry.example/palm:1")
    assert len(kfp.versions) == 3 and len(kfp.pipelines) == 1
    submit("--pipeline", "rebuild_on_change")
    assert sorted(pipeline["display_name"] for pipeline in kfp.pipelines.values()) == [
        "build-portfolio",
        "rebuild-on-change",
    ]


def test_the_section_cluster_is_compiled_and_changes_nothing_that_is_built(kfp, submit, cluster_workspace):
    submit()
    tasks = {"accelerator": "amd.com/gpu", "gpus": 4, "cpu": "500m"}
    cluster = {"tasks": tasks, "training": {"gpus": 1, "memory": "64Gi"}}
    edit_config(cluster_workspace, cluster=cluster | {"secret": "other", "service_account": "builder"})
    submit("--set", "cluster.tasks.memory=8Gi")
    before, run = kfp.runs.values()
    assert before["runtime_config"] == run["runtime_config"], "another configuration, that would be built again"
    assert run["service_account"] == "builder"
    (_, version) = kfp.versions.values()
    for name, memory, gpus in (("evaluate-policies", "8Gi", "4"), ("train-policies", "64Gi", "1")):
        found = resources(version)[name]
        assert (found["resourceCpuLimit"], found["resourceMemoryLimit"]) == ("500m", memory)
        assert (found["accelerator"]["resourceType"], found["accelerator"]["resourceCount"]) == ("amd.com/gpu", gpus)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("cluster.tasks.cpu=four", "cluster.tasks.cpu='four': string should match pattern"),
        ("cluster.tasks.memory=32GB", "cluster.tasks.memory='32GB': string should match pattern"),
        ("cluster.tasks.node_selector={gpus: 8}", "cluster.tasks.node_selector=8: input should be a valid string"),
        ("cluster.tasks.tolerations=[{key: a, operatr: b}]", "cluster.tasks.tolerations.0.operatr='b': is not a known"),
        ("cluster.secret=Palm_Secret!", "cluster.secret='Palm_Secret!': string should match pattern"),
        ("cluster.training.gpus=2", "cluster.training.gpus=2: must be training.processes=1"),
        ("cluster.parallel=0", "cluster.parallel=0: input should be greater than or equal to 1"),
        ("cluster.memory=8Gi", "cluster.memory='8Gi': is not a known key"),
        ("cluster.tasks", "--set cluster.tasks: must be KEY=VALUE"),
        ("name.first=x", "--set name.first: 'first' is no key"),
        ("cluster.tasks=[", "--set cluster.tasks=[: is not valid YAML"),
    ],
)
def test_a_wrong_setting_is_refused_before_any_request(kfp, submit, setting, message):
    stderr = submit("--set", setting, code=1).stderr
    assert message in stderr and stderr.startswith("error: ") and stderr.count("\n") == 1
    assert not kfp.requests


def test_settings_come_from_a_folder_then_from_the_command_line(kfp, submit, tmp_path):
    (tmp_path / "settings").mkdir()
    for key, value in {"cluster.tasks.memory": "8Gi\n", "cluster.parallel": "7", "rewards.0.name": "size"}.items():
        (tmp_path / "settings" / key).write_text(value)
    submit("--settings", tmp_path / "settings", "--set", "cluster.tasks.memory=16Gi")
    (version,), (run,) = kfp.versions.values(), kfp.runs.values()
    assert resources(version)["evaluate-policies"]["resourceMemoryLimit"] == "16Gi"
    assert '"parallelismLimit": 7' in json.dumps(version["pipeline_spec"])
    assert resolve_config(run["runtime_config"]["parameters"]["config"]).reward_names == ["size", "vowels"]
    assert "--settings " in submit("--settings", tmp_path / "none", code=1).stderr


def resources(version: dict) -> dict[str, dict]:
    executors = version["pipeline_spec"]["deploymentSpec"]["executors"]
    return {name.removeprefix("exec-"): one["container"]["resources"] for name, one in executors.items()}


def test_with_trainjobs_the_pods_that_watch_them_get_no_gpu(kfp, submit, cluster_workspace):
    nodes = {"nodes": 2, "cpu": "8", "memory": "32Gi"}
    edit_config(
        cluster_workspace, training__launcher="trainjob", training__train_job=nodes, training__micro_batch_size=8
    )
    assert "would be idle" in submit(code=1).stderr
    submit("--set", "cluster.training.gpus=0")
    (version,) = kfp.versions.values()
    assert "accelerator" not in resources(version)["train-policies"]


def test_the_task_that_trains_the_corners_of_soups_has_a_gpu_for_each_process(kfp, submit, cluster_workspace):
    edit_config(cluster_workspace, training__backend="soup", training__processes=2, training__micro_batch_size=8)
    few = submit("--set", "cluster.training.gpus=2", code=1).stderr
    assert few.startswith("error: cluster.tasks.gpus=1: must be at least training.processes=2") and not kfp.requests
    submit("--set", "cluster.tasks.gpus=2", "--set", "cluster.training.gpus=2")
    submit("--set", "cluster.tasks.gpus=0", "--set", "cluster.training.gpus=0")


def test_json_and_other_places(kfp, submit, cluster_workspace):
    edit_config(cluster_workspace, storage__root="store", registry__tracking_uri="sqlite:///mlflow.db")
    assert "--storage-root s3://BUCKET/PREFIX" in submit(code=1).stderr
    assert not kfp.requests, "refused before any request"
    places = ["--storage-root", "s3://palm/elsewhere", "--tracking-uri", "http://mlflow:5000"]
    result = json.loads(submit(*places, "--json").stdout)
    (run,) = kfp.runs.values()
    assert result["run_id"] == run["run_id"] and result["uploaded"]
    config = resolve_config(run["runtime_config"]["parameters"]["config"])
    assert config.storage.root == "s3://palm/elsewhere" and config.registry.tracking_uri == "http://mlflow:5000"


@pytest.mark.parametrize(
    ("options", "environment"), [(["--ui-host", "ui.example"], {}), ([], {"PALM_KFP_UI": "https://ui.example/"})]
)
def test_links_open_the_ui_where_it_has_another_address(kfp, submit, monkeypatch, options, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    shown = submit("--no-validate", *options).stdout
    (run_id,) = kfp.runs
    link = f"https://ui.example/#/runs/details/{run_id}"
    assert shown.splitlines()[-1] == link
    assert json.loads(palm("runs", "--json", "--host", kfp.url, *options).stdout)[0]["link"] == link


def test_a_link_with_a_password_is_refused(kfp, submit):
    stderr = submit("--no-validate", "--ui-host", "https://me:secret@ui.example", code=1).stderr
    assert stderr.startswith("error: --ui-host: holds a user or password") and "secret" not in stderr


PLUGIN = {
    "on": {"disabled": False},
    "off": {"disabled": True},
    "nightly builds": {"experiment_name": "nightly builds"},
}


@pytest.mark.parametrize("choice", PLUGIN)
def test_the_plugin_for_mlflow_is_given_the_choice(kfp, submit, schedule, choice):
    submit("--no-validate", "--kfp-mlflow", choice)
    (run,) = kfp.runs.values()
    assert run["plugins_input"] == {"mlflow": PLUGIN[choice]}
    nightly = ("--cron", "0 0 2 * * *")
    for change in ("created", "unchanged"):
        assert schedule(*nightly, "--kfp-mlflow", choice).stdout.startswith(f"small: {change}, ")
    (recurring,) = kfp.recurring_runs.values()
    assert recurring["plugins_input"] == {"mlflow": PLUGIN[choice]}
    assert schedule(*nightly).stdout.startswith("small: replaced, ")


def test_a_wrong_address_of_mlflow_is_refused(submit):
    message = "registry.tracking_uri='mlflow': must be http://…, https://… or sqlite:///FILE"
    assert message in submit("--tracking-uri", "mlflow", code=1).stderr


def test_rewards_are_tried_here_unless_validation_is_off(kfp, submit, cluster_workspace):
    path = cluster_workspace / "rewards.py"
    path.write_text(path.read_text().replace("/ 20", "* 20"))
    assert "reward 'length'" in submit(code=1).stderr
    assert not kfp.requests
    submit("--no-validate")
    # What needs nothing but the configuration is checked always.
    edit_config(cluster_workspace, design__strategy="none")
    assert "strategy" in submit("--no-validate", code=1).stderr


def test_several_users_each_have_their_own(kfp, submit):
    kfp.multi_user = True
    for name in ("alice", "bob"):
        submit("--namespace", name, "--no-validate")
    assert sorted(entry["namespace"] for entry in kfp.pipelines.values()) == ["alice", "bob"]
    assert sorted(entry["namespace"] for entry in kfp.experiments.values()) == ["alice", "bob"]
    assert len(json.loads(palm("runs", "--host", kfp.url, "--namespace", "bob", "--json").stdout)) == 1


@pytest.mark.parametrize(
    ("state", "message", "code", "last"),
    [
        ("SUCCEEDED", "", 0, "succeeded"),
        ("FAILED", "policy 3:\nout of memory", 1, "failed (policy 3: out of memory); see "),
        ("CANCELED", "", 1, "cancelled by hand; see "),
    ],
)
def test_wait_follows_the_run_to_its_end(kfp, submit, state, message, code, last):
    def progress(number):
        for run_id, run in kfp.runs.items():
            if run["state"] == "PENDING":
                kfp.end_run(run_id, state, message)

    kfp.on_request = progress  # Before the answer that makes the run is sent, it has ended.
    result = submit("--wait", code=code)
    assert last in (result.stdout if code == 0 else result.stderr)


def test_states_are_reported_as_they_change(kfp, submit):
    run_id = json.loads(submit("--json").stdout)["run_id"]
    states = iter(["PENDING", "RUNNING", "RUNNING", "SUCCEEDED"])
    reported = []
    kfp.on_request = lambda number: kfp.runs[run_id].update(state=next(states, "SUCCEEDED"))
    follow(connect(Address(kfp.url)), run_id, on_state=reported.append, seconds_between=0.01)
    assert reported == ["running", "succeeded"]


def test_a_server_that_restarts_is_no_run_that_fails(kfp, submit):
    run_id = json.loads(submit("--json").stdout)["run_id"]
    connection, states = connect(Address(kfp.url)), []
    kfp.end_run(run_id, "SUCCEEDED")
    # urllib3 asks four times before it gives an answer up for lost.
    kfp.gone_for = 4 * 3
    follow(connection, run_id, on_state=states.append, seconds_between=0.01)
    assert states == ["succeeded"]
    kfp.gone_for = 4 * 9
    with pytest.raises(ClusterError, match=f"run {run_id}: can no longer be followed .* it continues"):
        follow(connection, run_id, on_state=states.append, seconds_between=0.01)


def test_what_is_uploaded_is_what_palm_compile_writes(kfp, submit, tmp_path):
    submit("--no-validate", "--set", "cluster.parallel=7")
    (version,) = kfp.versions.values()
    palm("compile", "--set", "cluster.parallel=7", "--output", tmp_path / "compiled.yaml")
    assert version["pipeline_spec"] == next(yaml.safe_load_all((tmp_path / "compiled.yaml").read_text()))


def test_an_answer_that_is_lost_leaves_nothing_half_done(kfp, submit):
    """Wherever a call is cut off, the next one makes its run with one pipeline, one version, one experiment."""
    submit("--no-validate")
    total = len(kfp.requests)
    for number in range(total + 1):
        for kept in (kfp.pipelines, kfp.versions, kfp.experiments, kfp.runs):
            kept.clear()
        kfp.revive()
        kfp.dies_at, kfp.loses_answer = number, True
        assert "cannot be reached" in submit("--no-validate", code=1).stderr
        kfp.revive()
        submit("--no-validate")
        assert [len(kept) for kept in (kfp.pipelines, kfp.versions, kfp.experiments)] == [1, 1, 1]


@pytest.mark.parametrize("made", ["pipelines", "versions", "experiments"])
def test_two_submissions_at_once_share_what_they_need(kfp, submit, made):
    """Another call makes the same object between the search for it and its creation."""
    submit("--no-validate")
    entries = getattr(kfp, made)
    hidden = dict(entries)
    entries.clear()
    kfp.revive()

    def other(number):
        if kfp.requests and kfp.requests[-1].startswith("GET") and kfp.requests[-1].endswith(f"/{made}"):
            entries.update(hidden)

    kfp.on_request = other
    submit("--no-validate")
    assert entries == hidden and len(kfp.runs) == 2


def test_the_reason_of_a_refused_run_is_in_the_error(kfp, submit):
    submit("--no-validate")
    (version,) = kfp.versions.values()
    (experiment,) = kfp.experiments
    ids = {"pipeline_id": version["pipeline_id"], "version_id": version["pipeline_version_id"]}
    message = r"refuses the request \(400 parameter none is not found in the pipeline\)"
    with pytest.raises(ClusterError, match=message), connect(Address(kfp.url)).requests() as client:
        client.run_pipeline(experiment, "x", params={"config": "", "none": 1}, **ids)
