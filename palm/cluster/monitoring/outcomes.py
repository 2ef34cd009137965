"""The outcomes of a portfolio's runs, as the storage keeps them: each is read once."""

import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from palm.builds.records import owner
from palm.config.portfolio import PortfolioConfig
from palm.errors import DamagedError
from palm.progress import log
from palm.storage.records import Records

PROMOTED, REFUSED, FAILED, UNCHANGED = OUTCOMES = ("promoted", "refused", "failed", "unchanged")
_AT_ONCE = 8
_MAY_GO_ON_SECONDS = 7 * 86400
"""A failed run can be tried again under its name for so long: its outcome is then another one."""


@dataclass(frozen=True)
class Outcome:
    """What became of a run (`palm.steps.record_outcome`).

    Attributes:
        state: one of `OUTCOMES`.
        ended: seconds since 1970.
        policies: number of ``trained``, ``continued``, ``reused``, ``failed`` and ``not_started`` policies.
        marked: policies that a guard has marked; None if an older palm did not say.
        device_seconds: spent on training.
        device_seconds_saved: not spent, as policies were reused.
    """

    state: str
    ended: float
    policies: dict[str, int]
    marked: int | None
    device_seconds: float
    device_seconds_saved: float


class OutcomeReader:
    """Reads the outcomes of a portfolio's runs again and again.

    Args:
        config: the configuration: the storage, and the registered model that tells whose a run is.

    Attributes:
        damaged: names of runs whose records could not be understood at the last reading.
    """

    def __init__(self, config: PortfolioConfig):
        self._records, self._owner = Records(config.storage.root), owner(config.registry)
        # None: the run is another portfolio's.
        self._final: dict[str, Outcome | None] = {}
        self.damaged: frozenset[str] = frozenset()

    def read(self) -> dict[str, Outcome]:
        """Look for new outcomes.

        Returns:
            Name of every run that has ended to its outcome.

        Raises:
            StorageError: the storage cannot be read.
        """
        names = self._records.folders("builds")
        self._final = {name: self._final[name] for name in names if name in self._final}
        asked = [name for name in names if name not in self._final]
        with ThreadPoolExecutor(_AT_ONCE, "outcomes") as pool:
            answers = dict(zip(asked, pool.map(self._look, asked), strict=True))
        damaged = {name: error for name, error in answers.items() if isinstance(error, str)}
        for name in sorted(set(damaged) - self.damaged):
            log.warning("%s", damaged[name])
        self.damaged = frozenset(damaged)
        found = {name: answer for name, answer in answers.items() if isinstance(answer, Outcome)}
        settled = time.time() - _MAY_GO_ON_SECONDS
        self._final |= {
            name: outcome for name, outcome in found.items() if outcome.state != FAILED or outcome.ended < settled
        }
        self._final |= {name: None for name, answer in answers.items() if answer is _FOREIGN}
        return found | {name: outcome for name, outcome in self._final.items() if outcome is not None}

    def _look(self, name: str) -> "Outcome | object | str | None":
        """The outcome of a run; `_FOREIGN`; None if there is none yet; what is wrong with it."""
        try:
            whose = self._records.read(f"builds/{name}/build")
            if whose is None:
                return None
            if {key: whose.get(key) for key in self._owner} != self._owner:
                return _FOREIGN
            record = self._records.read(f"builds/{name}/outcome")
            return None if record is None else _outcome(record)
        except DamagedError as error:
            return str(error)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            return f"builds/{name}/outcome.json: is no outcome of a run ({error!r}); delete it"


_FOREIGN = object()


def _outcome(record: dict) -> Outcome:
    if record["state"] not in OUTCOMES:
        raise ValueError(f"state={record['state']!r}")
    policies = record["policies"]
    marked = policies.get("marked")
    return Outcome(
        state=record["state"],
        ended=_number(record["ended"]),
        policies={key: len(policies[key]) for key in ("trained", "continued", "reused", "failed", "not_started")},
        marked=None if marked is None else len(marked),
        device_seconds=_number(record["device_seconds"]),
        device_seconds_saved=_number(record["device_seconds_saved"]),
    )


def _number(value) -> float:
    number = float(value)
    if not math.isfinite(number) or number < 0:
        raise ValueError(f"{value!r} is no number >= 0")
    return number
