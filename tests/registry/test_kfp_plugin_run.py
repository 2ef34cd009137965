"""Tasks of a run that Kubeflow Pipelines' MLflow plugin follows: nothing mixes, and each run names the other."""

import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import mlflow
import pytest
from support.kfp_mlflow_plugin import CREDENTIALS, KfpPlugin
from support.mlflow_server import USER, MlflowServer
from support.small_portfolio import register_small, write_small_portfolio

from palm.artifacts.registration import Registration
from palm.builds.records import BUILD_VARIABLE
from palm.config.load import load_config
from palm.config.pods import task_variable
from palm.config.portfolio import Registry
from palm.errors import RegistryError
from palm.registry.client import Client
from palm.registry.connection import connected
from palm.registry.experiment import ensure_experiment
from palm.registry.portfolio_registry import PortfolioRegistry
from palm.steps.record_outcome import record_outcome


@pytest.fixture(scope="module")
def plugin_server(tmp_path_factory):
    """The administrator's MLflow, with a password of its own."""
    server = MlflowServer(tmp_path_factory.mktemp("plugin"), password="another-password-of-tests").start()
    yield server
    server.kill()


@pytest.fixture
def turned_on(monkeypatch):
    """Give this process the variables of a plugin, and PALM's credentials as tasks get them."""

    def turn_on(plugin: KfpPlugin, own: tuple[str, str] | None = None) -> KfpPlugin:
        for name in CREDENTIALS:
            monkeypatch.delenv(name, raising=False)
        for name, value in plugin.variables().items():
            monkeypatch.setenv(name, value)
        for name, value in zip(CREDENTIALS, own or (), strict=False):
            monkeypatch.setenv(task_variable(name), value)
        return plugin

    return turn_on


def plugin_at(server, login="basic-auth") -> KfpPlugin:
    return KfpPlugin(server.uri, login=login, user=(USER, server.password))


def tags_of(config, run: str) -> dict[str, str]:
    with connected(config.registry) as client:
        return client.get_run(run).data.tags


def registered(config, folder) -> Registration:
    return register_small(config, write_small_portfolio(folder / "portfolio"), "build-1")


# `kubernetes` is the default of an installation; these pods have no token for it.
@pytest.mark.parametrize("login", ["basic-auth", "kubernetes"])
def test_nothing_of_palms_goes_into_the_plugins_runs(server_workspace, mlflow_server, plugin_server, turned_on, login):
    config = load_config(server_workspace / "portfolio.yaml")
    plugin = turned_on(plugin_at(plugin_server, login), own=(USER, mlflow_server.password))
    before = plugin.runs()
    made = registered(config, server_workspace)
    after = plugin.runs()
    assert set(after) == set(before) and after[plugin.task] == before[plugin.task]
    assert after[plugin.root]["info"] == before[plugin.root]["info"]
    assert "metrics" not in after[plugin.root]["data"] and "params" not in after[plugin.root]["data"]
    with connected(config.registry) as client:
        assert client.get_model_version(config.registry.model, made.version).run_id == made.run_id
        experiment = client.get_experiment_by_name(config.registry.experiment).experiment_id
        (model,) = client.search_logged_models([experiment])
        assert model.source_run_id == made.run_id


def test_a_run_that_names_none_is_not_the_tasks(config, plugin_server, turned_on):
    plugin = turned_on(plugin_at(plugin_server))
    with connected(config.registry) as client:
        experiment = ensure_experiment(Client(config.registry))
        with mlflow.start_run(experiment_id=experiment) as run:
            mlflow.log_metric("loss", 1.0)
        assert client.get_run(run.info.run_id).info.experiment_id == experiment
    assert "metrics" not in plugin.runs()[plugin.task]["data"]


def test_the_plugins_environment_is_back_afterwards(config, plugin_server, turned_on):
    plugin = turned_on(plugin_at(plugin_server), own=("palm", "a-third-password"))
    with connected(config.registry):
        assert os.environ["MLFLOW_TRACKING_PASSWORD"] == "a-third-password"
        assert "MLFLOW_RUN_ID" not in os.environ and "MLFLOW_EXPERIMENT_ID" not in os.environ
    # A reward's own code may be meant to log there.
    assert plugin.variables().items() <= os.environ.items()


class _Listening(BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.heard.append(dict(self.headers))
        self.send_error(401)

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("login", ["basic-auth", "kubernetes"])
def test_palms_server_is_sent_nothing_that_opens_the_plugins(config, plugin_server, turned_on, login):
    turned_on(plugin_at(plugin_server, login))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Listening)
    server.heard = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    registry = Registry(tracking_uri=f"http://127.0.0.1:{server.server_port}", experiment="small", model="small")
    with pytest.raises(RegistryError, match="401"), connected(registry) as client:
        client.search_experiments(max_results=1)
    server.shutdown()
    assert server.heard
    for headers in server.heard:
        assert not {"authorization", "x-mlflow-workspace"} & {name.lower() for name in headers}


def test_each_run_names_the_other_and_the_version(server_workspace, mlflow_server, plugin_server, turned_on):
    config = load_config(server_workspace / "portfolio.yaml")
    plugin = turned_on(plugin_at(plugin_server), own=(USER, mlflow_server.password))
    made = registered(config, server_workspace)
    ours = tags_of(config, made.run_id)
    link = f"{plugin_server.uri}/#/experiments/{plugin.experiment}/runs/{plugin.root}"
    assert (ours["palm.kfp_mlflow_run_id"], ours["palm.kfp_mlflow_run_url"]) == (plugin.root, link)
    assert f"]({link})" in ours["mlflow.note.content"]
    theirs = plugin.tags()
    assert theirs["kfp.pipeline_run_id"] and theirs["palm.run_id"] == made.run_id
    assert (theirs["palm.model"], theirs["palm.version"]) == (config.registry.model, made.version)
    assert theirs["palm.build_id"] == "build-1"
    with connected(config.registry) as client:
        experiment = client.get_run(made.run_id).info.experiment_id
    assert theirs["palm.run_url"] == f"{mlflow_server.uri}/#/experiments/{experiment}/runs/{made.run_id}"
    assert f"]({theirs['palm.run_url']})" in theirs["mlflow.note.content"]


def test_one_server_for_both_keeps_the_plugins_log_in(server_workspace, mlflow_server, turned_on):
    config = load_config(server_workspace / "portfolio.yaml")
    plugin = turned_on(plugin_at(mlflow_server))
    made = registered(config, server_workspace)
    assert plugin.tags()["palm.run_id"] == made.run_id
    assert made.run_id not in plugin.runs()


def test_a_later_build_of_the_same_content_names_its_own(config, tmp_path, plugin_server, turned_on):
    portfolio = write_small_portfolio(tmp_path / "portfolio")
    turned_on(plugin_at(plugin_server))
    first = register_small(config, portfolio, "build-1")
    second = turned_on(plugin_at(plugin_server))
    assert register_small(config, portfolio, "build-2").run_id == first.run_id
    assert tags_of(config, first.run_id)["palm.kfp_mlflow_run_id"] == second.root
    assert second.tags()["palm.build_id"] == "build-2"


@pytest.mark.parametrize("login", ["kubernetes", "basic-auth"])
def test_not_telling_the_plugin_is_a_warning(config, tmp_path, plugin_server, turned_on, monkeypatch, caplog, login):
    plugin = turned_on(plugin_at(plugin_server, login))
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "a-wrong-password-of-tests")
    with caplog.at_level("WARNING", logger="palm"):
        made = registered(config, tmp_path)
    (line,) = [record.getMessage() for record in caplog.records if record.name == "palm"]
    assert plugin_server.uri in line and "cannot be linked" in line and "a-wrong-password" not in line
    assert tags_of(config, made.run_id)["palm.kfp_mlflow_run_id"] == plugin.root


def test_what_is_not_understood_is_a_warning(config, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("KFP_MLFLOW_CONFIG", '{"endpoint": null}')
    with caplog.at_level("WARNING", logger="palm"):
        assert registered(config, tmp_path).version == "1"
    assert "KFP_MLFLOW_CONFIG cannot be read" in caplog.text


def test_a_failed_build_names_the_plugins_run_and_is_named(config, plugin_server, turned_on):
    plugin = turned_on(plugin_at(plugin_server))
    PortfolioRegistry(config).fail("build-1", "what happened")
    run = plugin.tags()["palm.run_id"]
    assert tags_of(config, run)["palm.kfp_mlflow_run_id"] == plugin.root
    assert "palm.version" not in plugin.tags()


def test_the_outcome_leads_to_the_plugins_run(config, tmp_path, plugin_server, turned_on, monkeypatch):
    plugin = turned_on(plugin_at(plugin_server))
    monkeypatch.setenv(BUILD_VARIABLE, "build-1")
    text, page = tmp_path / "outcome.md", tmp_path / "page.html"
    outcome = record_outcome(config, "build-1", text, page, only_if_changed=False)
    link = f"{plugin_server.uri}/#/experiments/{plugin.experiment}/runs/{plugin.root}"
    assert outcome.kfp_mlflow_run == link
    assert f"]({link})" in text.read_text() and f'href="{link}"' in page.read_text()
    # The exit task has the last word on a failed build's run, and its description is that text.
    assert f"]({link})" in tags_of(config, plugin.tags()["palm.run_id"])["mlflow.note.content"]
