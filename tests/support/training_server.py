"""Trainings in processes of their own that can be killed: imports are paid once, each training is a fork.

Reads one JSON object per line, the arguments of `support.trainings.train`; prints the process id of the training and,
when it has ended, its exit status (negative: the signal that ended it).
"""

import json
import os
import sys
import traceback
from pathlib import Path

from datasets import Dataset  # noqa: F401 - trl and its like import lazily; here it is before the fork
from peft import LoraConfig, PeftModel  # noqa: F401
from support.trainings import train
from transformers import AutoModelForCausalLM, LlamaForCausalLM, Trainer  # noqa: F401
from trl import RLOOTrainer  # noqa: F401

from palm.errors import PreemptedError


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
