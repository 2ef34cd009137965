"""Pipelines around one component: KFP's local runner takes input artifacts only from another task."""

import os
from pathlib import Path

import pytest
from kfp import dsl, local

from palm.components.launcher_rules import check_executor_outputs
from palm.storage.files import read_json


def given(kind: type[dsl.Artifact], path: Path):
    """In a pipeline: a file or folder as an artifact."""
    return dsl.importer(artifact_uri=str(path), artifact_class=kind, reimport=False).output


def run_locally(pipeline, folder: Path, **arguments) -> dict:
    """Run a pipeline by KFP's local runner, each task in a process of its own; the pipeline's outputs by name.

    A BuildError if Kubeflow's launcher would refuse what a task has written.
    """
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(folder))
    root = Path(__file__).parents[2]
    with pytest.MonkeyPatch.context() as patch:
        # Tasks import the tree that is tested, whichever one is installed.
        patch.setenv("PYTHONPATH", str(root), prepend=os.pathsep)
        outputs = pipeline(**arguments).outputs
    check_executor_outputs(folder)
    return outputs


def content(artifact: dsl.Artifact) -> dict:
    return read_json(Path(artifact.path))
