"""Expressions at the top level of a module: the effects that evaluating them may have, and the kind of their value."""

import ast
from collections.abc import Callable
from enum import IntEnum

_NUMBERS_AND_TEXT = {
    "abs", "bool", "bytes", "complex", "float", "frozenset", "int", "len", "pow", "range", "repr", "round", "str",
}  # fmt: skip
_OF_WHAT_IS_GIVEN = {"max", "min", "sum", "tuple"}
_COPIES = {"dict", "list", "set", "sorted"}
_TEXTS = {"ascii_letters", "ascii_lowercase", "ascii_uppercase", "digits", "hexdigits", "punctuation", "whitespace"}
_MODULES = {"math": None, "cmath": None, "string": _TEXTS, "re": {"compile", "escape"}}
"""Modules without state, and which of their functions and texts are known (None: all)."""
_TEXT_METHODS = {
    "casefold", "count", "difference", "encode", "endswith", "format", "index", "intersection", "join", "lower",
    "replace", "startswith", "strip", "title", "union", "upper",
}  # fmt: skip
_OTHER_METHODS = {"copy", "get", "items", "keys", "split", "splitlines", "values"}
_OPERATORS = (ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Subscript, ast.Slice, ast.JoinedStr)
_MARKS = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop)


class Kind(IntEnum):
    """Effects and value of an expression; each kind allows more than the one before."""

    FIXED = 0
    """No effect; numbers, text, patterns or tuples of them, which never change."""
    PLAIN = 1
    """No effect; data of Python's own types, whose operators run no code of the user; it may be changed later."""
    INERT = 2
    """No effect; anything."""
    ACTIVE = 3
    """Possibly an effect on other names."""


class Expressions:
    """Classifies expressions: a kind is given only where it is certain, whatever the values are.

    Args:
        name_kind: what a name stands for, ``INERT`` if nothing is known of it.
        origin: ``module`` for the name of an imported module, ``module.name`` for a name that is imported from it,
            ``builtins.name`` for one that the file does not define; else an empty text.
    """

    def __init__(self, name_kind: Callable[[str], Kind], origin: Callable[[str], str]):
        self._name_kind, self._origin = name_kind, origin
        self._local: dict[str, Kind] = {}

    def kind(self, node: ast.expr | None) -> Kind:
        """Find the least kind that is certain; None stands for no expression."""
        match node:
            case None | ast.Constant():
                return Kind.FIXED
            case ast.Name(id=name):
                return self._local[name] if name in self._local else self._name_kind(name)
            case ast.Tuple():
                return self._most(node.elts)
            case ast.List():
                return max(Kind.PLAIN, self._most(node.elts))
            case ast.Set() | ast.Dict():
                return max(Kind.PLAIN, self._operands(node))
            case ast.Lambda():
                return max(Kind.INERT, self._most([*node.args.defaults, *filter(None, node.args.kw_defaults)]))
            case ast.ListComp() | ast.SetComp() | ast.DictComp():
                return max(Kind.PLAIN, self._comprehension(node))
            case ast.Attribute():
                return self._attribute(node)
            case ast.Call():
                return self._call(node)
            case ast.Starred() | ast.FormattedValue():
                return self._operands(node)
            case _ if isinstance(node, _OPERATORS):
                return self._operands(node)
        return Kind.ACTIVE

    def _most(self, nodes) -> Kind:
        return max(map(self.kind, nodes), default=Kind.FIXED)

    def _operands(self, node: ast.AST) -> Kind:
        return self._data(part for part in ast.iter_child_nodes(node) if not isinstance(part, _MARKS))

    def _data(self, nodes) -> Kind:
        """What is not plain data may run code of the user when it is hashed, compared, added or gone through."""
        kind = self._most(nodes)
        return kind if kind <= Kind.PLAIN else Kind.ACTIVE

    def _comprehension(self, node) -> Kind:
        before, found = dict(self._local), []
        for part in node.generators:
            target = [entry for entry in ast.walk(part.target) if not isinstance(entry, ast.expr_context)]
            if part.is_async or not all(isinstance(entry, ast.Name | ast.Tuple) for entry in target):
                found.append(Kind.ACTIVE)
            found.append(self._data([part.iter]))
            # What is in fixed data is fixed.
            self._local |= {entry.id: min(found[-1], Kind.INERT) for entry in target if isinstance(entry, ast.Name)}
            found.append(self._data(part.ifs))
        found.append(self._data([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]))
        self._local = before
        return max(found)

    def _attribute(self, node: ast.Attribute) -> Kind:
        if self._known(node):
            return Kind.FIXED
        imported = isinstance(node.value, ast.Name) and self._from(node.value.id)
        # A method is no data: calling it may change what it belongs to.
        return Kind.INERT if imported or self.kind(node.value) <= Kind.PLAIN else Kind.ACTIVE

    def _call(self, node: ast.Call) -> Kind:
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        inner = max(map(self._argument, given), default=Kind.FIXED)
        if inner > Kind.PLAIN:
            return Kind.ACTIVE
        if self._known(node.func):
            return Kind.FIXED
        match node.func:
            case ast.Name(id=name) if self._from(name) == f"builtins.{name}":
                for names, kind in ((_NUMBERS_AND_TEXT, Kind.FIXED), (_OF_WHAT_IS_GIVEN, inner), (_COPIES, Kind.PLAIN)):
                    if name in names:
                        return kind
            case ast.Attribute(attr=method, value=value) if method in _TEXT_METHODS | _OTHER_METHODS:
                of = self.kind(value)
                if of <= Kind.PLAIN:
                    return Kind.FIXED if of == Kind.FIXED and method in _TEXT_METHODS else Kind.PLAIN
        return Kind.ACTIVE

    def _argument(self, node: ast.expr) -> Kind:
        if isinstance(node, ast.GeneratorExp):
            return self._comprehension(node)
        return self.kind(node)

    def _known(self, node: ast.expr) -> bool:
        """Recognise the functions and texts of modules that are known to have no state."""
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=member):
                module = self._from(name)
            case ast.Name(id=name):
                module, _, member = self._from(name).rpartition(".")
            case _:
                return False
        if module not in _MODULES:
            return False
        return _MODULES[module] is None or member in _MODULES[module] or (module == "re" and member.isupper())

    def _from(self, name: str) -> str:
        return "" if name in self._local else self._origin(name)
