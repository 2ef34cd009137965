"""Registry of portfolios in MLflow: builds are registered, finished or failed."""

from collections.abc import Sequence
from pathlib import Path

from palm.artifacts.registration import Registration
from palm.config.portfolio import PortfolioConfig
from palm.errors import RegistryError
from palm.registry.client import Client, all_versions
from palm.registry.content import CONTENT, Build
from palm.registry.experiment import check_exists
from palm.registry.kfp_plugin import link_plugin_run, plugin_note, plugin_tags
from palm.registry.manifest import MANIFEST_TAG
from palm.registry.retry import retry_on_conflict
from palm.registry.run_records import log_build, log_policy
from palm.registry.runs import MADE_BY, POLICY, Runs, build_tag, builds_of, lineage_tags
from palm.registry.version import CHALLENGER, find_version, make_version


class PortfolioRegistry:
    """Registered portfolios of one model, and the runs of their builds: a parent run and one for each policy.

    Every method fails with `RegistryError` if MLflow fails.
    """

    def __init__(self, config: PortfolioConfig):
        self._config = config
        self._client = Client(config.registry)
        self._model = config.registry.model

    def register(self, build: Build) -> Registration:
        """Record a build and register its portfolio under the alias `challenger`; its run stays open.

        The same content is one version and one run, whichever builds register it, also at the same time. A call that
        was killed is completed by the next one.
        """
        client, runs = self._client, Runs(self._client)
        version = find_version(client, build.content)
        if version is None:
            # Idempotent: a second attempt finds what the first one made.
            version = retry_on_conflict(self._make, runs, build)
        retry_on_conflict(runs.keep_one_of_each, build.content, version.run_id)
        retry_on_conflict(self._add_build, version, build.build_id)
        retry_on_conflict(client.set_registered_model_alias, self._model, CHALLENGER, version.version)
        number, run = str(version.version), version.run_id
        self._link(runs, run, build.build_id, version=number)
        manifest = version.tags.get(MANIFEST_TAG, "")
        return Registration(model=self._model, version=number, run_id=run, manifest=manifest, aliases=(CHALLENGER,))

    def finish(self, run_id: str, files: Sequence[Path]) -> None:
        """Keep the last files of a build (the report and its data) with its run, and end the run."""
        for path in files:
            self._client.log_artifact(run_id, str(path))
        self._client.set_terminated(run_id)

    def fail(self, build_id: str, note: str, *, abandoned: bool = False) -> None:
        """Mark the run of a build as failed; it gets a new run if it has none, or a finished one.

        Args:
            note: what happened, Markdown; MLflow shows it as the run's description.
            abandoned: whether the build belongs to another run of the pipeline than this process.
        """
        from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

        runs = Runs(self._client)
        run = self._unfinished_run(runs, build_id, abandoned=abandoned)
        self._client.set_tag(run, MLFLOW_RUN_NOTE, note)
        self._client.set_terminated(run, status="FAILED")
        if not abandoned:
            self._link(runs, run, build_id)

    def builds(self) -> dict[str, str]:
        """Registered builds: name to the number of a version that it made or found."""
        check_exists(self._config.registry)
        versions = all_versions(self._client, self._model)
        return {build: str(version.version) for version in versions for build in builds_of(version.tags)}

    def _make(self, runs: Runs, build: Build):
        from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

        client, lineage, selection = self._client, lineage_tags(build.build_id), build.selection
        try:
            run = runs.find_or_create(self._run_name(build.build_id), {CONTENT: build.content}, lineage)
            log_build(client, run, self._config, selection, build.artifacts)
            for candidate in selection.policies:
                name = candidate.policy
                tags = {CONTENT: build.content, POLICY: name, MLFLOW_PARENT_RUN_ID: run}
                child = runs.find_or_create(name, tags, lineage)
                log_policy(client, child, candidate, build.logs[name], chosen=name in selection.portfolio)
            return make_version(client, self._config, build, run)
        except RegistryError:
            # A concurrent build of the same content that was first deletes the runs that this one was filling.
            first = find_version(client, build.content)
            if first is None:
                raise
            return first

    def _add_build(self, version, build_id: str) -> None:
        """Name the build on the version and its run; a run that a failed build has ended is opened again."""
        from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

        client = self._client
        client.set_model_version_tag(self._model, version.version, build_tag(build_id), "true")
        tags = {build_tag(build_id): "true", **plugin_tags()}
        if note := plugin_note():
            tags[MLFLOW_RUN_NOTE] = note
        for key, value in tags.items():
            client.set_tag(version.run_id, key, value)
        if client.get_run(version.run_id).info.status not in ("RUNNING", "FINISHED"):
            client.update_run(version.run_id, status="RUNNING")

    def _unfinished_run(self, runs: Runs, build_id: str, *, abandoned: bool) -> str:
        for run in runs.find({build_tag(build_id): "true"}):
            # An earlier build of the same content may have finished this run.
            if POLICY not in run.data.tags and run.info.status != "FINISHED":
                return run.info.run_id
        lineage = {build_tag(build_id): "true"} if abandoned else lineage_tags(build_id)
        tags = {MADE_BY: build_id, "palm.failed": "true"}
        return runs.find_or_create(self._run_name(build_id), tags, lineage)

    def _run_name(self, build_id: str) -> str:
        return f"{self._config.name} {build_id}"

    def _link(self, runs: Runs, run: str, build_id: str, *, version: str = "") -> None:
        link_plugin_run(self._config.registry, experiment=runs.experiment, run=run, build_id=build_id, version=version)
