"""Compilation of the pipelines: to KFP's intermediate representation, or to objects for `kubectl apply`."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from kfp import compiler
from kfp.compiler.compiler_utils import KubernetesManifestOptions

from palm import __version__
from palm.config.cluster import Cluster
from palm.pipelines.build_portfolio.pipeline import make_build_portfolio
from palm.pipelines.rebuild_on_change.pipeline import make_rebuild_on_change
from palm.storage.digest import file_digest
from palm.storage.files import write_text

PIPELINES: dict[str, Callable[[Cluster], Callable]] = {
    "build_portfolio": make_build_portfolio,
    "rebuild_on_change": make_rebuild_on_change,
}
"""Makers of the pipelines, by name."""


def compile_pipeline(name: str, destination: Path, cluster: Cluster | None = None, *, manifest: bool = False) -> None:
    """Write a compiled pipeline, a key of `PIPELINES`, to a YAML file, whole or not at all.

    Args:
        cluster: section of the configuration; unset: its defaults.
        manifest: write objects `Pipeline` and `PipelineVersion` of Kubernetes instead of KFP's representation.
    """
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "pipeline.yaml"
        pipeline = PIPELINES[name](cluster or Cluster())
        compiler.Compiler().compile(pipeline, str(path))
        if manifest:
            title = name.replace("_", "-")
            options = KubernetesManifestOptions(
                pipeline_name=title,
                # A version object never changes, so other content needs another name.
                pipeline_version_name=f"{title}-{__version__}-{file_digest(path)[:8]}",
                include_pipeline_manifest=True,
            )
            compiler.Compiler().compile(
                pipeline, str(path), kubernetes_manifest_format=True, kubernetes_manifest_options=options
            )
        write_text(destination, path.read_text(encoding="utf-8"))
