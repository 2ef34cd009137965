"""Compiling the pipeline to KFP's intermediate representation."""

from pathlib import Path

from kfp import compiler

from palm.storage.files import write_text
from pipelines.build_portfolio.pipeline import build_portfolio


def compile_pipeline(destination: Path) -> None:
    """Write the compiled pipeline, whole or not at all.

    Args:
        destination: YAML file.
    """
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "pipeline.yaml"
        compiler.Compiler().compile(build_portfolio, str(path))
        write_text(destination, path.read_text(encoding="utf-8"))
