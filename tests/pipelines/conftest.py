"""Running the command `palm` as a user does."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def palm():
    """The command, in a process of its own: MLflow and KFP set up logging for the process that they are in."""

    def run(*arguments, code: int = 0) -> subprocess.CompletedProcess:
        command = [Path(sys.executable).with_name("palm"), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        return done

    return run
