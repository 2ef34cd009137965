"""Checkpoints of a training in the store: whole or absent, checked when read, the newest two kept."""

import logging
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from palm.errors import DamagedError
from palm.storage.store import Store

log = logging.getLogger(__name__)

_KEPT = 2
"""If the newest checkpoint is damaged, one before it must remain."""
_NOT_NEEDED = ("training_args.bin", "README.md", "tokenizer*", "*.jinja", "special_tokens*", "vocab*", "merges*")
"""Files that the trainer saves besides the state: the tokenizer, which the base model has, and pickled arguments."""


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one policy's training.

    Attributes:
        policy: the policy's content name.
        backend: leg of the training that they belong to.
    """

    store: Store
    policy: str
    backend: str = ""

    def of(self, backend: str) -> "Checkpoints":
        """The checkpoints of one leg of the training."""
        return replace(self, backend=backend)

    def latest(self, folder: Path, *, up_to: int | None = None) -> Path | None:
        """Fetch the newest whole checkpoint, of at most a given step, into a scratch folder; None if there is none."""
        for name in reversed(self.store.entries(self._place)):
            if up_to is not None and int(name.removeprefix("step-")) > up_to:
                continue
            target = folder / f"resume-{self.backend}-{name}"
            try:
                if not self.store.fetch(f"{self._place}/{name}", target):
                    continue  # another process has just removed it
            except DamagedError as error:
                log.warning("%s: a damaged checkpoint, the one before it is used", error)
                self.store.remove(f"{self._place}/{name}")
                continue
            return target
        return None

    def publish(self, folder: Path, step: int) -> None:
        """Store a checkpoint, remove the trainer's folder of it, and remove older checkpoints."""
        for pattern in _NOT_NEEDED:
            for path in folder.glob(pattern):
                path.unlink()
        self.store.publish(f"{self._place}/step-{step:08d}", folder)
        shutil.rmtree(folder)
        for name in self.store.entries(self._place)[:-_KEPT]:
            self.store.remove(f"{self._place}/{name}")

    def discard(self) -> None:
        """Remove the checkpoints of all legs: the training is finished."""
        self.store.remove(self.place)

    @property
    def place(self) -> str:
        """Prefix, in the store, of everything that is kept until the training is finished."""
        return f"checkpoints/{self.policy}"

    @property
    def _place(self) -> str:
        return f"{self.place}/{self.backend}"
