"""A check that shared code with what it checks would share its mistakes."""

import ast
from pathlib import Path

import palm.verification

FOLDER = Path(palm.verification.__file__).parent


def test_the_room_imports_of_palm_only_the_errors():
    modules = sorted(FOLDER.rglob("*.py"))
    assert len(modules) > 5
    for path in modules:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0
                names = [node.module]
            for name in names:
                if name.split(".")[0] in ("palm", "components", "pipelines", "scipy"):
                    assert name == "palm.errors" or name.startswith("palm.verification."), (path.name, name)
