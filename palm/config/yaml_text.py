"""Parsing of YAML that a user or another system has written."""

from typing import Any

import yaml

from palm.errors import ConfigError

YAML_ERRORS = (yaml.YAMLError, ValueError, TypeError, RecursionError)
"""Errors of `load_yaml`."""
_MOST_REPEATED = 100_000
"""Values that aliases may repeat: nested ones grow exponentially, to gigabytes from a few hundred bytes."""


def parse_yaml(text: str, *, origin: str) -> dict:
    """Parse a YAML mapping without duplicate keys; ``origin`` names the text in error messages."""
    try:
        raw = load_yaml(text)
    except YAML_ERRORS as error:
        raise ConfigError(origin, rule=f"is not valid YAML ({error})", remedy="correct the syntax") from error
    if not isinstance(raw, dict):
        raise ConfigError(origin, rule="must be a YAML mapping", remedy="start from `palm init`")
    return raw


def load_yaml(text: str) -> Any:
    """Parse YAML of any kind; one of `YAML_ERRORS` if it is malformed, has a key twice, or repeats too much."""
    loader = _StrictLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check_repetitions(node)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _check_repetitions(root: yaml.Node) -> None:
    """Refuse a document in which aliases stand for very much, or for what they are in."""
    sizes: dict[int, int | None] = {}

    def size(node: yaml.Node) -> int:
        if id(node) not in sizes:
            sizes[id(node)] = None
            sizes[id(node)] = 1 + sum(size(part) for part in _parts(node))
        found = sizes[id(node)]
        if found is None:
            raise yaml.MarkedYAMLError(problem="an alias stands for what it is in", problem_mark=node.start_mark)
        return found

    if size(root) - len(sizes) > _MOST_REPEATED:
        raise yaml.YAMLError(f"its aliases repeat more than {_MOST_REPEATED} values")


def _parts(node: yaml.Node) -> list[yaml.Node]:
    match node:
        case yaml.MappingNode():
            return [part for pair in node.value for part in pair]
        case yaml.SequenceNode():
            return node.value
        case _:
            return []


class _StrictLoader(yaml.SafeLoader):
    """The safe loader, except that a duplicate key is an error."""

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"key {key!r} is given twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)
