"""Rewards that are Python functions of the user."""

import functools
import importlib
import importlib.util
import inspect
import sys
import tokenize
from importlib.machinery import SourceFileLoader
from pathlib import Path

from palm.config.rewards import PythonReward
from palm.errors import RewardError
from palm.rewards.loaded import Loaded, RawReward, reward_name
from palm.rewards.python.source_closure import function_source
from palm.storage.digest import file_digest, value_digest
from palm.storage.local_file import local_file


def load_function(spec: PythonReward) -> Loaded:
    """Import the function behind a python: URI.

    Returns:
        Its identity is its name and the source that can decide a value: of a function that the file simply defines, its
        part of the file (`source_closure`), else the whole files.

    Raises:
        RewardError: there is no such callable, or no source file whose change could be noticed.
    """
    what = reward_name(spec)
    target, _, name = spec.uri.removeprefix("python:").rpartition(":")
    try:
        module = _module_from_file(local_file(target)) if target.endswith(".py") else importlib.import_module(target)
    except (Exception, SystemExit) as error:  # User code may raise anything.
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
    return Loaded(function, {"source": _source_digest(module, function, name, what), "function": name})


def _source_digest(module, function: RawReward, name: str, what: str) -> str:
    digests = _source_digests(module, function, what)
    source = _own_source(module, function, name)
    return value_digest({"files": digests} if source is None else {"source": source})


def _own_source(module, function: RawReward, name: str) -> str | None:
    """Extract the part of the module's file that decides a function simply defined there; None for any other."""
    if not inspect.isfunction(function) or hasattr(function, "__wrapped__"):
        return None
    if (function.__module__, function.__qualname__) != (module.__name__, name) or not module.__file__.endswith(".py"):
        return None
    path = Path(module.__file__)
    with tokenize.open(path) as stream:
        return function_source(stream.read(), name, module=path.stem)


def _source_digests(module, function: RawReward, what: str) -> list[str]:
    """Digest the module that names the function and, where that only imports or wraps it, its own file."""
    definition = function.func if isinstance(function, functools.partial) else inspect.unwrap(function)
    if not inspect.isroutine(definition) and not inspect.isclass(definition):
        definition = type(definition)
    files = {getattr(module, "__file__", None)}
    try:
        files.add(inspect.getsourcefile(definition))
    except TypeError as error:
        raise RewardError(
            what,
            rule="has no source file, so that a change of it could not be noticed",
            remedy="wrap it in a Python function",
        ) from error
    return sorted({file_digest(Path(file)) for file in files if file})


class _UncachedLoader(SourceFileLoader):
    """Compiles the source that is there: bytecode is cached by time stamp, too coarse for a quick edit."""

    def get_code(self, fullname):
        """Compile the file as it is now."""
        return self.source_to_code(self.get_data(self.path), self.path)


def _module_from_file(path: Path):
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    # Named by path and content: an edited file is imported again.
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
