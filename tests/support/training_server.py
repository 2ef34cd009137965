"""Trainings in processes of their own that can be killed: imports are paid once, each training is a fork.

Reads one JSON object a line (config, weights, base_model, rollouts, destination), prints the process id of the
training and, when it has ended, its exit status (negative: the signal that ended it).
"""

import json
import os
import sys
import traceback
from pathlib import Path

import trl  # noqa: F401 - imported before the fork
from transformers import Trainer  # noqa: F401

from palm.config.load import load_config
from palm.errors import PreemptedError
from palm.steps.train_policy import train_policy
from palm.training import grpo, rloo, run, rwr, soup  # noqa: F401


def train(request: dict) -> int:
    try:
        train_policy(
            load_config(Path(request["config"])),
            request["weights"],
            base_model=Path(request["base_model"]),
            rollouts=Path(request["rollouts"]),
            destination=Path(request["destination"]),
        )
    except PreemptedError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def serve() -> None:
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            os._exit(train(json.loads(line)))
        sys.stdout.write(f"{process}\n")
        sys.stdout.flush()
        status = os.waitpid(process, 0)[1]
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
