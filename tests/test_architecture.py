"""Rules of the house that a machine can check."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COMPONENTS = sorted((ROOT / "components").glob("*/component.py"))


@pytest.mark.parametrize("path", COMPONENTS, ids=lambda path: path.parent.name)
def test_components_are_thin(path):
    """Folder, function and file agree; the top level imports kfp.dsl and the task; the body is an import and a call."""
    tree = ast.parse(path.read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert [function.name for function in functions] == [path.parent.name]
    modules = {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
    task = f"palm.components.{path.parent.name}.task"
    assert modules == {"kfp.dsl", "palm.components", "palm.components.authoring", task} | (modules & {"typing"})
    statements = [type(node) for node in functions[0].body]
    assert statements in ([ast.ImportFrom, ast.Return], [ast.ImportFrom, ast.Expr])
    assert functions[0].body[0].module == task


def test_no_module_is_long():
    long = {
        str(path.relative_to(ROOT)): lines
        for folder in ("palm", "components", "pipelines")
        for path in (ROOT / folder).rglob("*.py")
        if (lines := len(path.read_text().splitlines())) > 300
    }
    assert not long


def test_nothing_reads_pickles_or_evaluates_text():
    """Neither pickle nor eval, anywhere in what is installed."""
    banned = {"pickle", "joblib", "dill", "cloudpickle"}
    for folder in ("palm", "components", "pipelines", "examples"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    names = {alias.name.split(".")[0] for alias in node.names} | {(getattr(node, "module", "") or "")}
                    assert not banned & names, path
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    assert node.func.id not in {"eval", "exec"}, path


def test_the_root_of_the_package_has_few_rooms():
    rooms = {path.name for path in (ROOT / "palm").iterdir()} - {"__init__.py", "py.typed", "__pycache__"}
    assert len(rooms) <= 20, sorted(rooms)


@pytest.mark.parametrize("room", ["registry", "promotion", "steps"])
def test_public_functions_return_models(room):
    """A dict of anything is a record, which has a model; a mapping of one type, e.g. name to path, is none."""
    place = ROOT / "palm" / room
    records = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in (place.rglob("*.py") if place.is_dir() else [place])
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and node.returns is not None
        if re.search(r"\bdict\b(?!\[str, (str|Path)\])", ast.unparse(node.returns))
    ]
    assert not records
