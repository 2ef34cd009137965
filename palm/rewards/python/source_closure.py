"""The part of a Python file that can decide what one of its functions returns.

An edit elsewhere in the file must leave the function's fingerprint alone, and an edit that may change a value must
never do so. Where that is not certain, there is no such part, and the whole file counts.

Assumed: importing a module changes nothing of this file but the names that the statement binds; imported functions
hand nothing from one call to the next, save random numbers and what is visibly stored into them; operators of the
user's own classes have no effects; a function or a module is changed under its own name only. What a function imports,
or reads from other files, is no part of it.
"""

import ast
from collections.abc import Iterable
from functools import cached_property

from palm.rewards.python.expressions import Kind
from palm.rewards.python.top_level import Statement, TopLevel

_SEES_ALL = {
    "compile", "delattr", "dir", "eval", "exec", "getattr", "globals", "locals", "setattr", "vars", "__annotations__",
    "__builtins__", "__doc__", "__import__", "__loader__", "__spec__",
}  # fmt: skip
"""Names through which a function may reach what it does not name."""
_SEES_ALL_INSIDE = {
    "_getframe", "modules", "__closure__", "__code__", "__defaults__", "__dict__", "__globals__", "__kwdefaults__",
    "__subclasses__",
}  # fmt: skip
_MODULES_THAT_SEE_ALL = {"*", "builtins", "ctypes", "gc", "importlib", "inspect", "runpy"}
_RANDOM = {"random", "seed", "manual_seed"}
_CHANGES = {"add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "remove", "setdefault", "update"}


def function_source(text: str, name: str, *, module: str) -> str | None:
    """Extract the lines of a file that can decide what one of its functions returns.

    They are those of its definition; of every statement of the top level that binds a name which one of them needs; of
    every statement that may have an effect on others, with what it needs; and, where they use something that can be
    changed while the program runs, such as a list, of all that refers to it as well. Comments and docstrings inside
    count.

    Args:
        text: a Python file that can be compiled.
        name: a function of it.
        module: the file's name without its ending.

    Returns:
        The lines, in order; None where they cannot be separated from the others: the file can reach its own names in
        other ways (``globals``, ``getattr``, ``import *``, …), or does not simply define the function, once.
    """
    tree = ast.parse(text)
    if any(_sees_all(node, module) for node in ast.walk(tree)):
        return None
    closure = _Closure(tree)
    match closure.top.binders[name]:
        case [Statement(node=ast.FunctionDef(), active=False) as definition]:
            needed = {number for statement in closure.of(definition) for number in statement.lines}
        case _:
            return None
    # Lines as Python's own positions count them: form feeds, say, begin none.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(lines[number - 1] for number in sorted(needed))


def _sees_all(node: ast.AST, module: str) -> bool:
    match node:
        case ast.Global():
            return True
        case ast.Name(id=word):
            return word in _SEES_ALL
        case ast.Attribute(attr=word):
            return word in _SEES_ALL_INSIDE
        case ast.Import() | ast.ImportFrom():
            return not _words(node).isdisjoint(_MODULES_THAT_SEE_ALL | _SEES_ALL | _SEES_ALL_INSIDE | {module})
    return False


def _words(node: ast.Import | ast.ImportFrom) -> set[str]:
    """Split the names in an import into all their parts."""
    names = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
    return {word for name in names for word in name.split(".")}


class _Closure:
    """Finds what functions of a module need."""

    def __init__(self, tree: ast.Module):
        self._tree = tree
        self.top = TopLevel(tree)

    def of(self, definition: Statement) -> set[Statement]:
        """Collect all statements that can decide what a function returns, its definition among them."""
        active = (statement for statement in self.top.statements if statement.active)
        return self._needed([definition], shared=True) | self._needed(active, shared=False)

    def _needed(self, start: Iterable[Statement], *, shared: bool) -> set[Statement]:
        """Collect what statements need; with all that shares state with them, for what happens after the import."""
        todo = list(start)
        found = set(todo)
        while todo:
            statement = todo.pop()
            for name in statement.refers | statement.binds:
                more = set(self.top.binders.get(name, ()))
                if shared and name in self._stateful:
                    more |= {other for other in self.top.statements if name in other.refers}
                todo += more - found
                found |= more
        return found

    @cached_property
    def _stateful(self) -> set[str]:
        """Names through which one function may change what another one gets."""
        binders = {name: found for name, found in self.top.binders.items() if found}
        stateful = {name for name, found in binders.items() if any(self._holds_state(name, b.node) for b in found)}
        # What is bound by a statement that does more than that is not known either.
        stateful |= {name for name, found in binders.items() if any(b.active and not _is_future(b.node) for b in found)}
        while True:
            # A function that uses such a name hands its effects on.
            callers = {
                name
                for name, found in binders.items()
                if any(isinstance(b.node, ast.FunctionDef) and b.refers & stateful for b in found)
            }
            if callers <= stateful:
                return stateful
            stateful |= callers

    def _holds_state(self, name: str, node: ast.stmt) -> bool:
        match node:
            case ast.Import() | ast.ImportFrom():
                return name in self._written or not _words(node).isdisjoint(_RANDOM)
            case ast.FunctionDef():
                return name in self._written or self.top.kind_of_defaults(node) > Kind.FIXED
        return self.top.name_kind(name) > Kind.FIXED

    @cached_property
    def _written(self) -> set[str]:
        """Names into which something is stored, by attribute, item or method, or whose random numbers are used."""
        found = set()
        for node in ast.walk(self._tree):
            match node:
                case ast.Attribute(attr=word) if word in _CHANGES | _RANDOM:
                    found.add(_root(node))
                case ast.Attribute(ctx=ast.Store() | ast.Del()) | ast.Subscript(ctx=ast.Store() | ast.Del()):
                    found.add(_root(node))
        return found


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""
