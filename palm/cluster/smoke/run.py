"""Acceptance test of a cluster: tiny builds by the real pipelines, checks of their results, and the removal of both."""

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from palm.artifacts.outcome import Outcome
from palm.builds.outcome import read_outcome
from palm.builds.records import page_name
from palm.cluster.doctor.checks import examine
from palm.cluster.kfp.connection import Address, Connection, connect
from palm.cluster.kfp.run_references import BUILD, REBUILD, find_experiment
from palm.cluster.kfp.runs import ENDED
from palm.cluster.kfp.submission import follow, submit
from palm.cluster.smoke.inputs import CONFIG, change_a_reward, write_inputs
from palm.config.cluster import Cluster
from palm.config.load import load_config
from palm.config.portfolio import PortfolioConfig
from palm.config.storage import Storage
from palm.errors import ClusterError, PalmError, in_words
from palm.promotion import promotions
from palm.registry.connection import connected
from palm.storage.records import Records
from palm.storage.store import Store

_SECONDS_BETWEEN = 5.0
_MINUTES, _MINUTES_TO_END = 20, 5
"""Time limits of a run and of its cancellation: a pod that fits no node stays pending for ever."""


@dataclass(frozen=True)
class Finding:
    """The result of one check; ``ok`` is None if it was not run."""

    name: str
    ok: bool | None
    seconds: float
    detail: str


@dataclass
class _Smoke:
    address: Address
    folder: Path
    name: str
    connection: Connection | None = None
    runs: list[str] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)

    @property
    def config(self) -> PortfolioConfig:
        return load_config(self.folder / CONFIG)

    def doctor(self) -> str:
        config = self.config
        findings = examine(
            self.address, config.cluster, storage_root=config.storage.root, tracking_uri=config.registry.tracking_uri
        )
        wrong = [f"{finding.name}: {finding.detail}" for finding in findings if not finding.ok]
        # This account may not be allowed to see images and Secrets; the builds show whether pods find them.
        if any(line.startswith(("pipelines:", "mlflow:", "storage:")) for line in wrong):
            raise ClusterError("palm doctor", rule="; ".join(wrong), remedy="see docs/operations.md")
        self.connection = connect(self.address)
        return f"{len(findings) - len(wrong)} of {len(findings)} lines are ok" + "".join(f"; {line}" for line in wrong)

    def build(self) -> str:
        outcome = self._run(BUILD)
        self._expect(outcome, ("promoted",), trained=3)
        return f"3 policies trained, version {self._champion()} is champion"

    def again(self) -> str:
        outcome = self._run(BUILD)
        self._expect(outcome, ("promoted", "refused"), reused=3)
        return "3 policies reused, nothing trained"

    def rebuild(self) -> str:
        change_a_reward(self.folder)
        outcome = self._run(REBUILD)
        self._expect(outcome, ("promoted",))
        if not any("length" in line for line in outcome.changes):
            raise ClusterError(f"changes={list(outcome.changes)}", rule="do not name the reward", remedy="report this")
        return f"{'; '.join(outcome.changes)}; {len(outcome.policies.trained)} trained"

    def promotion(self) -> str:
        if len(set(self.versions)) < 2:
            raise ClusterError(f"versions={self.versions}", rule="the rebuild promoted none", remedy="see its page")
        return f"version {self._champion()} has replaced version {self.versions[0]}"

    def back(self) -> str:
        entry = promotions(self.config).rollback(self.versions[0], why="palm smoke", who="palm smoke")
        if self._champion() != self.versions[0]:
            raise ClusterError(f"champion={self._champion()}", rule=f"is not {entry.after}", remedy="see `palm repair`")
        return f"version {self.versions[0]} is champion again"

    def page(self) -> str:
        destination = self.folder / "page.html"
        if not Records(self.config.storage.root).read_file(page_name(self.runs[-1]), destination):
            raise ClusterError(page_name(self.runs[-1]), rule="is not in the storage", remedy="see the run's last task")
        return f"{destination.stat().st_size // 1000} kB"

    def clean_up(self) -> str:
        left = []
        for what, remove in (
            # Runs first: they may still write to the other two.
            ("Kubeflow Pipelines", lambda: _remove_runs(self.connection, self.name)),
            ("MLflow", lambda: _remove_models(self.config)),
            ("storage", lambda: Store(self.config.storage.root).remove("")),
        ):
            try:
                remove()
            except Exception as error:
                left.append(f"{what}: {in_words(error)}")
        if left:
            raise ClusterError(self.name, rule=f"is left in {'; '.join(left)}", remedy="remove it by hand")
        return f"{self.name} is removed, except what MLflow keeps of deleted runs until `mlflow gc`"

    def _run(self, pipeline: str) -> Outcome:
        run = submit(self.connection, self.config, pipeline=pipeline, experiment=self.name)
        self.runs.append(run.run_id)
        try:
            _follow(self.connection, run.run_id, _MINUTES)
        except ClusterError as error:
            outcome = self._outcome(run.run_id)
            if outcome is None or not outcome.failures:
                raise
            why = f"{outcome.headline} ({outcome.failures[0].error})"
            raise ClusterError(f"run {run.run_id}", rule=why, remedy=f"see {run.link}") from error
        outcome = self._outcome(run.run_id)
        if outcome is None:
            raise ClusterError(f"run {run.run_id}", rule="left no outcome in the storage", remedy=f"see {run.link}")
        champion = self._champion()
        if champion is not None and champion not in self.versions:
            self.versions.append(champion)
        return outcome

    def _outcome(self, run_id: str) -> Outcome | None:
        return read_outcome(self.config.storage.root, run_id)

    def _expect(self, outcome: Outcome, states: tuple[str, ...], **counts: int) -> None:
        found = {key: len(getattr(outcome.policies, key)) for key in counts}
        if outcome.state not in states or found != counts:
            raise ClusterError(
                f"outcome {outcome.state}, {found}",
                rule=f"must be {' or '.join(states)}, {counts}: {outcome.headline}",
                remedy=f"see {self.connection.run_link(self.runs[-1])}",
            )

    def _champion(self) -> str | None:
        return promotions(self.config).champion(fix_alias=True)


def smoke(
    address: Address, cluster: Cluster, *, storage: Storage, tracking_uri: str, keep: bool = False
) -> Iterator[Finding]:
    """Run all checks with a portfolio of their own, which is removed at the end; yields each finding when it is known.

    Args:
        storage: its root is an s3:// prefix; everything goes into a new folder below it.
        tracking_uri: MLflow, as pods and this machine reach it.
        keep: do not remove what was created.
    """
    name = f"palm-smoke-{uuid.uuid4().hex[:8]}"
    with TemporaryDirectory() as scratch:
        state = _Smoke(address, Path(scratch), name)
        write_inputs(
            state.folder,
            name=name,
            storage=storage.model_copy(update={"root": f"{storage.root.rstrip('/')}/{name}"}),
            tracking_uri=tracking_uri,
            cluster=cluster,
        )
        checks = {
            "doctor": state.doctor,
            "build": state.build,
            "same again": state.again,
            "changed reward": state.rebuild,
            "promotion": state.promotion,
            "rollback": state.back,
            "page": state.page,
        }
        failed = False
        try:
            for title, check in checks.items():
                finding = Finding(title, None, 0.0, "not run") if failed else _finding(title, check)
                failed = failed or not finding.ok
                yield finding
        finally:
            # Nothing is made before the doctor's check has passed.
            made = state.connection is not None and not keep
            cleaned = _finding("clean-up", state.clean_up) if made else Finding("clean-up", None, 0.0, "not run")
        yield cleaned


def _finding(name: str, check: Callable[[], str]) -> Finding:
    start = time.monotonic()
    try:
        ok, detail = True, check()
    except PalmError as error:
        ok, detail = False, str(error)
    return Finding(name, ok, time.monotonic() - start, detail)


def _remove_models(config: PortfolioConfig) -> None:
    with connected(config.registry) as client:
        for model in client.search_registered_models(filter_string=f"name LIKE '{config.registry.model}%'"):
            client.delete_registered_model(model.name)
        experiment = client.get_experiment_by_name(config.registry.experiment)
        if experiment is not None:
            client.delete_experiment(experiment.experiment_id)


def _remove_runs(connection: Connection, experiment: str) -> None:
    """Remove the runs and their experiment from Kubeflow Pipelines; others may use the pipelines and versions."""
    experiment_id = find_experiment(connection, experiment)
    if experiment_id is None:
        return
    found = list(connection.listed(connection.client.list_runs, "runs", experiment_id=experiment_id))
    for run in found:
        if run.state not in ENDED:
            with connection.requests() as client:
                client.terminate_run(run.run_id)
            # A cancelled run is an error here, and one that never ends is deleted as well.
            with contextlib.suppress(ClusterError):
                _follow(connection, run.run_id, _MINUTES_TO_END)
    with connection.requests() as client:
        for run in found:
            client.delete_run(run.run_id)
        client.delete_experiment(experiment_id)


def _follow(connection: Connection, run_id: str, minutes: float) -> None:
    follow(connection, run_id, on_state=lambda _: None, seconds_between=_SECONDS_BETWEEN, minutes=minutes)
