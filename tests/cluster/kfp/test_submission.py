import json

import pytest
import yaml
from support.cluster_commands import palm
from support.workspace import edit_config

from palm.cluster.kfp.connection import Address, connect
from palm.cluster.kfp.submission import follow
from palm.config.resolve import LONGEST_ADDRESS, resolve_config
from palm.errors import ClusterError


@pytest.fixture
def submit(kfp, cluster_workspace):
    def call(*arguments, code=0):
        return palm("submit", cluster_workspace / "portfolio.yaml", "--host", kfp.url, *arguments, code=code)

    return call


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
    assert parameters == {
        "accelerator": "nvidia.com/gpu",
        "accelerator_count": "1",
        "training_accelerator_count": "1",
        "cpu": "4",
        "memory": "32Gi",
        "node_selector": {},
        "tolerations": [],
        "secret": "palm-credentials",
    }
    inputs = version["pipeline_spec"]["root"]["inputDefinitions"]["parameters"]
    assert parameters == {name: inputs[name]["defaultValue"] for name in parameters}


def test_the_same_pipeline_is_never_uploaded_twice(kfp, submit):
    assert submit().stdout.splitlines()[0].endswith(" uploaded")
    assert submit().stdout.splitlines()[0].endswith(" was there already")
    assert len(kfp.runs) == 2 and len(kfp.versions) == 1
    assert sum(request.startswith("POST /apis/v2beta1/pipelines/upload") for request in kfp.requests) == 1
    submit("--parallel", 8)
    submit("--image", "registry.example/palm:1")
    assert len(kfp.versions) == 3 and len(kfp.pipelines) == 1
    submit("--pipeline", "rebuild_on_change")
    assert sorted(pipeline["display_name"] for pipeline in kfp.pipelines.values()) == [
        "build-portfolio",
        "rebuild-on-change",
    ]


def test_resources_reach_the_run(kfp, submit, cluster_workspace):
    edit_config(cluster_workspace, training__processes=2, training__micro_batch_size=8)
    tolerations = [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    options = {
        "--accelerator": "amd.com/gpu",
        "--accelerator-count": 4,
        "--training-accelerator-count": 2,
        "--cpu": "500m",
        "--memory": "8Gi",
        "--node-selector": '{"pool": "a100"}',
        "--tolerations": json.dumps(tolerations),
        "--secret": "other",
        "--service-account": "builder",
    }
    submit(*(part for option in options.items() for part in option))
    (run,) = kfp.runs.values()
    parameters = run["runtime_config"]["parameters"]
    assert parameters["accelerator"] == "amd.com/gpu" and parameters["accelerator_count"] == "4"
    assert parameters["training_accelerator_count"] == "2"
    assert parameters["node_selector"] == {"pool": "a100"} and parameters["tolerations"] == tolerations
    assert (parameters["cpu"], parameters["memory"], parameters["secret"]) == ("500m", "8Gi", "other")
    assert run["service_account"] == "builder"


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--cpu", "four", "--cpu='four': it should match pattern"),
        ("--memory", "32GB", "--memory='32GB': it should match pattern"),
        ("--node-selector", '{"gpus": 8}', "--node-selector.gpus=8: input should be a valid string"),
        ("--tolerations", '[{"key": "a", "operatr": "Exists"}]', "--tolerations[0].operatr='Exists': "),
        ("--tolerations", "[3]", "--tolerations[0]=3: "),
        ("--secret", "Palm_Secret!", "--secret='Palm_Secret!': it should match pattern"),
        ("--training-accelerator-count", "2", "--training-accelerator-count=2: must be training.processes=1"),
    ],
)
def test_resources_that_a_pod_cannot_have_are_refused_before_anything_is_asked(kfp, submit, option, value, told):
    stderr = submit(option, value, code=1).stderr
    assert stderr.lower().startswith(f"error: {told}".lower()) and stderr.count("\n") == 1
    assert not kfp.requests


def test_with_trainjobs_the_pods_that_watch_them_get_no_gpu(kfp, submit, cluster_workspace):
    nodes = {"nodes": 2, "cpu": "8", "memory": "32Gi"}
    edit_config(
        cluster_workspace, training__launcher="trainjob", training__train_job=nodes, training__micro_batch_size=8
    )
    assert "would be idle" in submit(code=1).stderr
    submit("--training-accelerator-count", 0)
    (run,) = kfp.runs.values()
    assert run["runtime_config"]["parameters"]["training_accelerator_count"] == "0"


def test_the_task_that_trains_the_corners_of_soups_has_a_gpu_for_each_process(kfp, submit, cluster_workspace):
    edit_config(cluster_workspace, training__backend="soup", training__processes=2, training__micro_batch_size=8)
    few = submit("--training-accelerator-count", 2, code=1).stderr
    assert few.startswith("error: --accelerator-count=1: must be at least training.processes=2") and not kfp.requests
    submit("--training-accelerator-count", 2, "--accelerator-count", 2)
    submit("--training-accelerator-count", 0, "--accelerator-count", 0)


def test_json_and_other_places(kfp, submit, cluster_workspace):
    edit_config(cluster_workspace, storage__root="store", registry__tracking_uri="sqlite:///mlflow.db")
    assert "--storage-root s3://BUCKET/PREFIX" in submit(code=1).stderr
    assert not kfp.requests, "what cannot work is told before anything is asked"
    places = ["--storage-root", "s3://palm/elsewhere", "--tracking-uri", "http://mlflow:5000"]
    result = json.loads(submit(*places, "--json").stdout)
    (run,) = kfp.runs.values()
    assert result["run_id"] == run["run_id"] and result["uploaded"]
    config = resolve_config(run["runtime_config"]["parameters"]["config"])
    assert config.storage.root == "s3://palm/elsewhere" and config.registry.tracking_uri == "http://mlflow:5000"


@pytest.mark.parametrize("settings", [{"--ui-host": "ui.example"}, {"PALM_KFP_UI": "https://ui.example/"}])
def test_links_open_the_ui_where_it_has_another_address(kfp, cluster_workspace, settings):
    ((name, value),) = settings.items()
    options = [name, value] if name.startswith("--") else []
    environment = {} if options else settings
    options += ["--host", kfp.url]
    config = cluster_workspace / "portfolio.yaml"
    told = palm("submit", config, "--no-validate", *options, environment=environment)
    (run_id,) = kfp.runs
    link = f"https://ui.example/#/runs/details/{run_id}"
    assert told.stdout.splitlines()[-1] == link
    listed = palm("runs", "--json", *options, environment=environment).stdout
    assert json.loads(listed)[0]["link"] == link


def test_a_link_with_a_password_is_refused(kfp, submit):
    stderr = submit("--no-validate", "--ui-host", "https://me:secret@ui.example", code=1).stderr
    assert stderr.startswith("error: --ui-host: holds a user or password") and "secret" not in stderr


PLUGIN = {
    "on": {"disabled": False},
    "off": {"disabled": True},
    "nightly builds": {"experiment_name": "nightly builds"},
}


@pytest.mark.parametrize("choice", PLUGIN)
def test_the_plugin_for_mlflow_is_told_what_was_chosen(kfp, submit, cluster_workspace, choice):
    submit("--no-validate", "--kfp-mlflow", choice)
    (run,) = kfp.runs.values()
    assert run["plugins_input"] == {"mlflow": PLUGIN[choice]}
    arguments = ["schedule", cluster_workspace / "portfolio.yaml", "--no-validate", "--host", kfp.url]
    for change in ("created", "unchanged"):
        told = palm(*arguments, "--cron", "0 0 2 * * *", "--kfp-mlflow", choice).stdout
        assert told.startswith(f"small: {change}, ")
    (recurring,) = kfp.recurring_runs.values()
    assert recurring["plugins_input"] == {"mlflow": PLUGIN[choice]}
    assert palm(*arguments, "--cron", "0 0 2 * * *").stdout.startswith("small: replaced, ")


def test_nothing_is_said_to_the_plugin_unasked(kfp, submit):
    submit("--no-validate")
    (run,) = kfp.runs.values()
    assert "plugins_input" not in run


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--node-selector", "pool=gpu", '--node-selector=pool=gpu: must be a JSON object; write e.g. {"pool": "gpu"}'),
        ("--tolerations", "{}", "--tolerations={}: must be a JSON list; write e.g. "),
        ("--parallel", "0", "parallel=0: must be >= 1; raise it"),
        ("--tracking-uri", "mlflow", "registry.tracking_uri='mlflow': must be http://…, https://… or sqlite:///FILE"),
    ],
)
def test_wrong_options(submit, option, value, message):
    assert message in submit(option, value, code=1).stderr


def test_rewards_are_tried_here_unless_told_otherwise(kfp, submit, cluster_workspace):
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


def test_states_are_told_as_they_come(kfp, submit):
    run_id = json.loads(submit("--json").stdout)["run_id"]
    states = iter(["PENDING", "RUNNING", "RUNNING", "SUCCEEDED"])
    told = []
    kfp.on_request = lambda number: kfp.runs[run_id].update(state=next(states, "SUCCEEDED"))
    follow(connect(Address(kfp.url)), run_id, on_state=told.append, seconds_between=0.01)
    assert told == ["running", "succeeded"]


# urllib3 asks four times before it gives an answer up for lost.
@pytest.mark.parametrize(("lost", "ends"), [(4 * 3, True), (4 * 9, False)])
def test_a_server_that_restarts_is_no_run_that_fails(kfp, submit, lost, ends):
    run_id = json.loads(submit("--json").stdout)["run_id"]
    connection, told = connect(Address(kfp.url)), []
    kfp.end_run(run_id, "SUCCEEDED")
    kfp.gone_for = lost
    if ends:
        follow(connection, run_id, on_state=told.append, seconds_between=0.01)
        assert told == ["succeeded"]
    else:
        with pytest.raises(ClusterError, match=f"run {run_id}: cannot be followed any more .* it goes on"):
            follow(connection, run_id, on_state=told.append, seconds_between=0.01)


def test_what_is_uploaded_is_what_palm_compile_writes(kfp, submit, tmp_path):
    submit("--no-validate", "--parallel", "7")
    (version,) = kfp.versions.values()
    palm("compile", "--parallel", "7", "--output", tmp_path / "compiled.yaml")
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
    """Another call makes the same thing between our looking for it and our making it."""
    submit("--no-validate")
    entries = getattr(kfp, made)
    hidden = dict(entries)
    entries.clear()
    kfp.revive()
    looked_for = {"pipelines": "/pipelines", "versions": "/versions", "experiments": "/experiments"}[made]

    def other(number):
        if kfp.requests and kfp.requests[-1].startswith("GET") and kfp.requests[-1].endswith(looked_for):
            entries.update(hidden)

    kfp.on_request = other
    submit("--no-validate")
    assert entries == hidden and len(kfp.runs) == 2


def test_what_a_run_is_refused_for_is_told(kfp, submit, cluster_workspace):
    with pytest.raises(ClusterError, match=r"refuses the request \(400 parameter none is not found in the pipeline\)"):
        submit("--no-validate")
        (version,) = kfp.versions.values()
        (experiment,) = kfp.experiments
        with connect(Address(kfp.url)).asking() as client:
            client.run_pipeline(
                experiment,
                "x",
                params={"config": "", "none": 1},
                pipeline_id=version["pipeline_id"],
                version_id=version["pipeline_version_id"],
            )
