"""Running the command `palm` as a user does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from palm.steps.workers.client import WORKERS_VARIABLE


@pytest.fixture(scope="session")
def palm(shared_pool):
    """The command, in a process of its own: MLflow and KFP set up logging for the process that they are in."""

    def run(*arguments, code: int = 0) -> subprocess.CompletedProcess:
        command = [Path(sys.executable).with_name("palm"), *map(str, arguments)]
        environment = {**os.environ, WORKERS_VARIABLE: shared_pool}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == code, done.stderr
        return done

    return run
