"""Loading a reward function from its URI, with a fingerprint of what it is."""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path

from palm.config import Reward
from palm.errors import RewardError
from palm.storage.digest import file_digest, value_digest

RawReward = Callable[..., list]


@dataclass(frozen=True)
class RewardSource:
    """A loaded reward function.

    Attributes:
        spec: its configuration.
        function: ``function(prompts, responses, **fields) -> one number per response``.
        fingerprint: sha256 over the module's source file, the function's name and the normalisation.
    """

    spec: Reward
    function: RawReward
    fingerprint: str


def load_reward(spec: Reward) -> RewardSource:
    """Load the function behind a reward's URI.

    Args:
        spec: name, URI and normalisation.

    Returns:
        The function and its fingerprint.

    Raises:
        RewardError: the URI is malformed or does not lead to a callable.
    """
    what = f"reward {spec.name!r}: uri={spec.uri!r}"
    scheme, _, rest = spec.uri.partition(":")
    target, _, name = rest.rpartition(":")
    if scheme != "python" or not target or not name:
        raise RewardError(what, rule="must be python:module:function or python:file.py:function", remedy="change it")
    try:
        module = _module_from_file(Path(target)) if target.endswith(".py") else importlib.import_module(target)
    except (Exception, SystemExit) as error:  # User code: whatever importing it raises is the user's news.
        raise RewardError(
            what,
            rule=f"cannot be imported ({type(error).__name__}: {error})",
            remedy="check the path and try to import it in Python",
        ) from error
    function = getattr(module, name, None)
    if not callable(function):
        raise RewardError(
            what, rule=f"has no function {name!r}", remedy=f"define `def {name}(prompts, responses, **fields)` there"
        )
    parts = {
        "source": file_digest(_source_file(function, what)),
        "function": name,
        "normalisation": spec.normalisation.model_dump(),
    }
    return RewardSource(spec, function, value_digest(parts))


def _source_file(function: RawReward, what: str) -> Path:
    try:
        return Path(inspect.getsourcefile(inspect.unwrap(function)))
    except TypeError as error:
        raise RewardError(
            what,
            rule="has no source file, so that a change of it could not be noticed",
            remedy="wrap it in a Python function",
        ) from error


class _UncachedLoader(SourceFileLoader):
    """Compiles the source that is there: bytecode is cached by time stamp, too coarse for a quick edit."""

    def get_code(self, fullname):
        """Compile the file as it is now."""
        return self.source_to_code(self.get_data(self.path), self.path)


def _module_from_file(path: Path):
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    # Named by path and content: an edited file is imported anew, as its fingerprint is new.
    name = f"palm_rewards_{value_digest([str(path), file_digest(path)])[:16]}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path, loader=_UncachedLoader(name, str(path)))
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]
