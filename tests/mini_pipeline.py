"""Pipelines around one component: KFP's local runner takes input artifacts only from another task."""

import os
from pathlib import Path
from typing import List

import pytest
from kfp import dsl, local

from palm.storage.files import read_json


def given(kind: type[dsl.Artifact], path: Path):
    """In a pipeline: a file or folder as an artifact."""
    return dsl.importer(artifact_uri=str(path), artifact_class=kind, reimport=False).output


def _gatherer(kind: type[dsl.Artifact]):
    @dsl.pipeline(name="gather")
    def gather(paths: list) -> List[kind]:
        with dsl.ParallelFor(paths) as path:
            imported = dsl.importer(artifact_uri=path, artifact_class=kind, reimport=False)
        return dsl.Collected(imported.output)

    return gather


# A pipeline cannot be defined while another one is.
_GATHERERS = {kind: _gatherer(kind) for kind in (dsl.Dataset, dsl.Model)}


def given_all(kind: type[dsl.Artifact], paths: list[Path]):
    """In a pipeline: files or folders as a list of artifacts."""
    return _GATHERERS[kind](paths=[str(path) for path in paths]).output


def run_locally(pipeline, folder: Path, **arguments) -> dict:
    """Run a pipeline by KFP's local runner, each task a process of its own.

    Args:
        pipeline: the pipeline.
        folder: where tasks write their artifacts.
        arguments: of the pipeline.

    Returns:
        Its outputs by name.
    """
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(folder))
    root = Path(__file__).parents[1]
    with pytest.MonkeyPatch.context() as patch:
        # Tasks import the tree that is tested, whichever one is installed.
        patch.setenv("PYTHONPATH", str(root), prepend=os.pathsep)
        return pipeline(**arguments).outputs


def content(artifact: dsl.Artifact) -> dict:
    """What a task wrote as JSON."""
    return read_json(Path(artifact.path))
