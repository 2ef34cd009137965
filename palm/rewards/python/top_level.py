"""The statements of a Python file's top level: the names they bind, and the effects they may have."""

import ast
from collections import defaultdict
from dataclasses import dataclass

from palm.rewards.python.expressions import Expressions, Kind

_IMPORTS = ast.Import | ast.ImportFrom
_FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
_HARMLESS_DECORATORS = {"classmethod", "property", "staticmethod"}


@dataclass(eq=False)
class Statement:
    """A statement of the top level.

    Attributes:
        binds: names of the module that it binds.
        refers: names that occur in it, whatever they mean there.
        active: whether running it may have an effect on more than the names that it binds.
    """

    node: ast.stmt
    binds: set[str]
    refers: set[str]
    active: bool = False

    @property
    def lines(self) -> range:
        """Numbers of its whole lines, decorators included."""
        first = min([self.node.lineno, *(entry.lineno for entry in getattr(self.node, "decorator_list", []))])
        return range(first, self.node.end_lineno + 1)


class TopLevel:
    """All statements of a module that can matter to one that imports it.

    Attributes:
        binders: name to the statements that bind it.
    """

    def __init__(self, tree: ast.Module):
        self.statements = [
            Statement(node, _bound(node), _names(node)) for node in tree.body if not _never_matters(node)
        ]
        self.binders: dict[str, list[Statement]] = defaultdict(list)
        for statement in self.statements:
            for name in statement.binds:
                self.binders[name].append(statement)
        self._kinds: dict[str, Kind] = {}
        self._expressions = Expressions(self.name_kind, self._origin)
        for statement in self.statements:
            statement.active = self._is_active(statement.node)

    def name_kind(self, name: str) -> Kind:
        """Classify the values that a name may have at any moment of the import; ``INERT`` where that is not known."""
        if name not in self._kinds:
            # Whatever is defined by itself is not known.
            self._kinds[name] = Kind.INERT
            given = [self._given(binder.node) for binder in self.binders.get(name, [])]
            self._kinds[name] = min(Kind.INERT, max(given, default=Kind.INERT))
        return self._kinds[name]

    def kind_of_defaults(self, node: _FUNCTIONS) -> Kind:
        """Classify the defaults of a function's arguments: what is not fixed stays from one call to the next."""
        defaults = [*node.args.defaults, *filter(None, node.args.kw_defaults)]
        return max(map(self._expressions.kind, defaults), default=Kind.FIXED)

    def _given(self, node: ast.stmt) -> Kind:
        """Classify the values of a statement's names after it."""
        match node:
            case ast.Assign(targets=targets, value=value):
                kind = self._expressions.kind(value)
                # To unpack an object may run code of the user.
                return kind if kind <= Kind.PLAIN or all(isinstance(t, ast.Name) for t in targets) else Kind.ACTIVE
            case ast.AnnAssign(value=value) | ast.AugAssign(value=value):
                return self._expressions.kind(value)
        return Kind.INERT

    def _origin(self, name: str) -> str:
        """Find where a name comes from, see `Expressions`."""
        if not self.binders.get(name):
            return f"builtins.{name}"
        nodes = [binder.node for binder in self.binders[name]]
        match nodes:
            case [ast.Import(names=aliases)]:
                return next((alias.name for alias in aliases if alias.asname == name), name)
            case [ast.ImportFrom(names=aliases, module=module, level=0)]:
                return next(f"{module}.{alias.name}" for alias in aliases if (alias.asname or alias.name) == name)
        return ""

    def _is_active(self, node: ast.stmt) -> bool:
        match node:
            case ast.Import() | ast.ImportFrom():
                return getattr(node, "module", None) == "__future__"
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                return bool(node.decorator_list) or self._is_active_signature(node)
            case ast.ClassDef():
                return self._is_active_class(node)
            case ast.Assign(targets=targets) if all(map(_has_only_names, targets)):
                return self._given(node) == Kind.ACTIVE
            case ast.AnnAssign(target=ast.Name()):
                return self._given(node) == Kind.ACTIVE or _calls(node.annotation)
            case ast.AugAssign(target=ast.Name(id=name)):
                # A list is changed in place, under all its names.
                return max(self.name_kind(name), self._given(node)) > Kind.FIXED
        return True

    def _is_active_signature(self, node: _FUNCTIONS) -> bool:
        annotations = [entry.annotation for entry in ast.walk(node.args) if isinstance(entry, ast.arg)]
        return self.kind_of_defaults(node) == Kind.ACTIVE or any(map(_calls, [*annotations, node.returns]))

    def _is_active_class(self, node: ast.ClassDef) -> bool:
        if node.decorator_list or node.keywords or not all(map(self._is_harmless_base, node.bases)):
            return True
        own = set().union(*map(_bound, node.body))
        return any(self._is_active_member(member, own) for member in node.body if not _never_matters(member))

    def _is_harmless_base(self, base: ast.expr) -> bool:
        """Recognise classes of Python that do nothing when another one is derived from them."""
        match base:
            case ast.Name(id=name) if not self.binders.get(name):
                return name.endswith("Error") or name in ("Exception", "object")
        return False

    def _is_active_member(self, node: ast.stmt, own: set[str]) -> bool:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                names = {entry.id if isinstance(entry, ast.Name) else "" for entry in node.decorator_list}
                known = names <= _HARMLESS_DECORATORS and not any(
                    self.binders.get(name) for name in names | own & names
                )
                return not known or self._is_active_signature(node)
            case ast.Assign() | ast.AnnAssign():
                # Names of the class hide those of the module.
                loads = {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and _is_load(part)}
                return bool(loads & own) or self._is_active(node)
        return True


def _never_matters(node: ast.stmt) -> bool:
    """Recognise docstrings, `pass`, and code that runs only where the file is started as a program."""
    match node:
        case ast.Expr(value=ast.Constant()) | ast.Pass():
            return True
        case ast.If(test=ast.Compare(left=ast.Name(id="__name__"), ops=[ast.Eq()], comparators=[other]), orelse=[]):
            return isinstance(other, ast.Constant) and other.value == "__main__"
    return False


def _bound(node: ast.stmt) -> set[str]:
    match node:
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return {alias.asname or alias.name.split(".")[0] for alias in aliases}
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            # What is evaluated outside of the body may hold `:=`.
            outside = [*node.decorator_list, *getattr(node, "bases", []), *getattr(node, "keywords", [])]
            outside += [entry for entry in (getattr(node, "args", None), getattr(node, "returns", None)) if entry]
            return {node.name}.union(*map(_assigned, outside))
    inner = [
        part for part in ast.walk(node) if part is not node and isinstance(part, _IMPORTS | _FUNCTIONS | ast.ClassDef)
    ]
    return _assigned(node).union(*map(_bound, inner))


def _assigned(node: ast.AST) -> set[str]:
    found = set()
    for part in ast.walk(node):
        match part:
            case ast.Name(id=name) if not _is_load(part):
                found.add(name)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                found.add(name)
            case ast.MatchMapping(rest=str(name)):
                found.add(name)
    return found


def _names(node: ast.stmt) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _is_load(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Load)


def _has_only_names(target: ast.expr) -> bool:
    return all(isinstance(part, ast.Name | ast.Tuple | ast.List | ast.expr_context) for part in ast.walk(target))


def _calls(node: ast.expr | None) -> bool:
    return node is not None and any(isinstance(part, ast.Call | ast.NamedExpr | ast.Await) for part in ast.walk(node))
