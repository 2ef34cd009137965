"""Trainings in processes of their own that can be killed: imports are paid once, each training is a fork.

Reads one JSON object per line, the arguments of `support.trainings.train`; prints the process id of the training and,
when it has ended, its exit status (negative: the signal that ended it).
"""

import json
import os
import sys
import traceback
from pathlib import Path

from support.trainings import train

from palm.errors import PreemptedError
from palm.steps.workers.server import preload


def exit_code(request: dict) -> int:
    try:
        train(Path(request.pop("workspace")), **request)
    except PreemptedError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def serve() -> None:
    preload()
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            os._exit(exit_code(json.loads(line)))
        sys.stdout.write(f"{process}\n")
        sys.stdout.flush()
        status = os.waitpid(process, 0)[1]
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
