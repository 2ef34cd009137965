"""Running a pipeline as a user does."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def palm():
    """The command `palm`, in a process of its own: MLflow and KFP set up logging for the process that they are in."""

    def run(*arguments, **environment):
        command = [Path(sys.executable).with_name("palm"), *map(str, arguments)]
        import os

        return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})

    return run
