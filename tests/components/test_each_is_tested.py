"""Every component has a test that runs it in a pipeline."""

import ast
from pathlib import Path

import pytest

from palm.components.documentation import component_names


@pytest.mark.parametrize("name", component_names())
def test_the_component_is_run_in_a_pipeline(name):
    path = Path(__file__).with_name(f"test_{name}.py")
    assert path.is_file(), f"run the component in a pipeline around it: tests/components/{path.name}"
    tree = ast.parse(path.read_text())
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert {name, "run_locally"} <= called
