"""Running the command `palm` as a user does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def palm():
    """The command, in a process of its own: MLflow and KFP set up logging for the process that they are in."""

    def run(*arguments, **environment):
        command = [Path(sys.executable).with_name("palm"), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})

    return run
