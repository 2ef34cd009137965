"""Objects in Kubeflow Pipelines that a run refers to: its experiment, its pipeline version, the input of plugins.

Pipeline versions are named by content: the same YAML is never uploaded twice.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from palm.cluster.kfp.connection import Connection, named
from palm.config.cluster import Cluster
from palm.pipelines.compile import compile_pipeline
from palm.storage.digest import file_digest

BUILD, REBUILD = "build_portfolio", "rebuild_on_change"
EXPERIMENT = "palm"
"""Experiment of runs, unless another is given."""


@dataclass(frozen=True)
class PipelineVersion:
    """A version of a pipeline in Kubeflow Pipelines, and whether it is new there."""

    pipeline_id: str
    version_id: str
    name: str
    uploaded: bool

    def reference(self, client):
        """The field of a run or recurring run that names it, as one of the client's models."""
        return client.api_models.V2beta1PipelineVersionReference(
            pipeline_id=self.pipeline_id, pipeline_version_id=self.version_id
        )


def publish_pipeline(connection: Connection, name: str, cluster: Cluster) -> PipelineVersion:
    """Compile a pipeline and upload it, unless the same YAML is there already."""
    title = name.replace("_", "-")
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / f"{title}.yaml"
        compile_pipeline(name, path, cluster)
        # With the pipeline's name, as some servers keep the versions of all pipelines side by side.
        version_name = f"{title}-{file_digest(path)[:12]}"
        pipeline_id = _ensure_pipeline(connection, title)

        def upload(client) -> PipelineVersion:
            made = client.upload_pipeline_version(str(path), version_name, pipeline_id=pipeline_id)
            return PipelineVersion(pipeline_id, made.pipeline_version_id, version_name, uploaded=True)

        return connection.found_or_made(lambda: _find_version(connection, pipeline_id, version_name), upload)


def ensure_experiment(connection: Connection, name: str) -> str:
    """Id of the experiment of a name, which is created if missing."""
    return connection.found_or_made(
        lambda: find_experiment(connection, name),
        lambda client: client.create_experiment(name, namespace=connection.namespace).experiment_id,
    )


def find_experiment(connection: Connection, name: str) -> str | None:
    """Id of the experiment of a name; None if there is none."""
    found = connection.listed(
        connection.client.list_experiments, "experiments", namespace=connection.namespace, filter=named(name)
    )
    return next((experiment.experiment_id for experiment in found), None)


def plugins_input(kfp_mlflow: str | None) -> dict | None:
    """The field ``plugins_input`` of a run or recurring run: what it tells KFP's own MLflow plugin.

    Args:
        kfp_mlflow: ``on``: recorded in the administrator's experiment; ``off``: not recorded; else the name of the
            experiment in MLflow; None or empty: the administrator decides.
    """
    if not kfp_mlflow:
        return None
    is_switch = kfp_mlflow in ("on", "off")
    return {"mlflow": {"disabled": kfp_mlflow == "off"} if is_switch else {"experiment_name": kfp_mlflow}}


def _ensure_pipeline(connection: Connection, title: str) -> str:
    """Id of the pipeline of a name; kfp's own upload_pipeline would give a first version the pipeline's name."""

    def find() -> str | None:
        found = connection.listed(
            connection.client.list_pipelines, "pipelines", namespace=connection.namespace, filter=named(title)
        )
        return next((pipeline.pipeline_id for pipeline in found), None)

    def make(client) -> str:
        body = client.api_models.V2beta1Pipeline(name=title, display_name=title, namespace=connection.namespace)
        return client.pipelines.pipeline_service_create_pipeline(pipeline=body).pipeline_id

    return connection.found_or_made(find, make)


def _find_version(connection: Connection, pipeline_id: str, name: str) -> PipelineVersion | None:
    found = connection.listed(
        connection.client.list_pipeline_versions, "pipeline_versions", pipeline_id=pipeline_id, filter=named(name)
    )
    version = next(found, None)
    return version and PipelineVersion(pipeline_id, version.pipeline_version_id, name, uploaded=False)
