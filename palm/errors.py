"""Errors that a user can act on: what is wrong, which rule it breaks, and the remedy."""

import re


class PalmError(Exception):
    """A problem in the user's input or environment, described in one line.

    Args:
        what: the object with its value, e.g. ``weights=[0.6, 0.6]``.
        rule: the rule it breaks, e.g. ``must sum to 1``.
        remedy: what the user can do about it.
    """

    retry_may_help = True
    """Whether the same call may succeed later without any change."""

    def __init__(self, what: str, *, rule: str, remedy: str):
        super().__init__(" ".join(f"{what}: {rule}; {remedy}".split()))

    def __reduce__(self) -> tuple:
        """Pickle the message, from which ``__init__`` cannot make the error, for other processes."""
        return _restored, (type(self), self.args), self.__dict__


def in_words(error: BaseException) -> str:
    """An error in one line: the message of a `PalmError`, kind and message of any other."""
    message = " ".join(str(error).split())
    if isinstance(error, SystemExit):
        return f"the process ended itself with exit status {message or 0}"
    return message if isinstance(error, PalmError) else f"{type(error).__name__}: {message}"


def without_credentials(text: str) -> str:
    """Remove `user:password@` from every address in a text."""
    return re.sub(r"://\S*@", "://", text)


def _restored(kind: type[PalmError], arguments: tuple) -> PalmError:
    error = kind.__new__(kind)
    error.args = arguments
    return error


class PermanentError(PalmError):
    """A problem that stays until somebody changes the input."""

    retry_may_help = False


class ConfigError(PermanentError):
    """The configuration is missing, malformed or inconsistent."""


class DataError(PermanentError):
    """A file of prompts, values or results is missing or malformed."""


class WeightsError(PermanentError):
    """Preference weights, ε or δ are outside their domain."""


class SelectionError(PermanentError):
    """No portfolio meets the request."""


class RewardError(PalmError):
    """A reward cannot be loaded or called."""


class RewardValueError(RewardError, PermanentError):
    """A reward returned a value that is not a number in [0, 1]."""


class ModelError(PalmError):
    """A base model or adapter cannot be loaded."""


class UnusableModelError(ModelError, PermanentError):
    """A base model or its tokenizer is not one that a build can use."""


class TrainingError(PermanentError):
    """Training a policy failed."""


class PreemptedError(PalmError):
    """Training was stopped by SIGTERM and left a checkpoint, from which another run continues."""

    exit_code = 75
    """Exit code of the process: EX_TEMPFAIL of sysexits.h."""


class RegistryError(PalmError):
    """MLflow cannot be reached or refuses a request."""


class ConflictError(RegistryError):
    """The champion was changed by another process meanwhile."""

    champion: str | None = None
    """The version that is champion now."""


class StorageError(PalmError):
    """A storage location cannot be read or written."""


class DamagedError(StorageError, PermanentError):
    """A stored file differs from what its manifest or name says."""


class BuildError(PalmError):
    """A step of a build failed; finished work is in the store and will be reused."""


class ClusterError(PalmError):
    """Kubeflow Pipelines or Kubernetes cannot be reached, refuses a request, or lacks what a run needs."""


class MonitoringError(PalmError):
    """The exporter cannot serve its metrics."""


class VerificationError(PalmError):
    """A certificate does not prove what it claims."""
