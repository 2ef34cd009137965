"""Errors that a user can act on: what is wrong, which rule it breaks, what to do."""


class PalmError(Exception):
    """A problem in the user's input or environment, told in one line.

    Args:
        what: the offending thing with its value, e.g. ``weights=[0.6, 0.6]``.
        rule: the rule it breaks, e.g. ``must sum to 1``.
        remedy: what the user can do about it.
    """

    retry_may_help = True
    """Whether the same call may succeed later though nobody changed anything."""

    def __init__(self, what: str, *, rule: str, remedy: str):
        super().__init__(" ".join(f"{what}: {rule}; {remedy}".split()))

    def __reduce__(self) -> tuple:
        """How it comes back from a worker process: with its message, which it is not made from."""
        return _restored, (type(self), self.args), self.__dict__


def in_words(error: BaseException) -> str:
    """One line for people: a `PalmError` says all that is needed, of any other error they need the kind as well."""
    message = " ".join(str(error).split())
    return message if isinstance(error, PalmError) else f"{type(error).__name__}: {message}"


def _restored(kind: type[PalmError], arguments: tuple) -> PalmError:
    error = kind.__new__(kind)
    error.args = arguments
    return error


class ConfigError(PalmError):
    """The configuration is missing, malformed or inconsistent."""

    retry_may_help = False


class DataError(PalmError):
    """A file of prompts, values or results is missing or malformed."""

    retry_may_help = False


class WeightsError(PalmError):
    """Preference weights, ε or δ are outside their domain."""

    retry_may_help = False


class RewardError(PalmError):
    """A reward cannot be loaded or asked."""


class RewardValueError(RewardError):
    """A reward returned something that is no value in [0, 1]."""

    retry_may_help = False


class ModelError(PalmError):
    """A base model or adapter cannot be loaded."""


class TrainingError(PalmError):
    """Training a policy went wrong."""

    retry_may_help = False


class PreemptedError(PalmError):
    """Training was told to stop (SIGTERM) and left a checkpoint; running it again goes on from there."""

    exit_code = 75
    """Of a process that ends so: EX_TEMPFAIL of sysexits.h, try again."""


class SelectionError(PalmError):
    """No portfolio meets the request."""

    retry_may_help = False


class RegistryError(PalmError):
    """MLflow cannot be reached or refuses."""


class ConflictError(RegistryError):
    """Somebody else has changed the champion in the meantime."""

    champion: str | None = None
    """The version that is champion now."""


class StorageError(PalmError):
    """A storage location cannot be read or written."""


class DamagedError(StorageError):
    """A stored entry is not what its manifest says."""

    retry_may_help = False


class BuildError(PalmError):
    """A step of a build failed; finished work is in the store and will be reused."""


class ClusterError(PalmError):
    """Kubeflow Pipelines or Kubernetes cannot be reached, refuses, or lacks what a run needs."""


class MonitoringError(PalmError):
    """The exporter cannot serve its metrics."""


class VerificationError(PalmError):
    """A certificate does not prove what it claims."""
