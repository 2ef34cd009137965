"""palm with its base dependencies alone: no PyTorch, no MLflow, no boto3."""

import ast
import os
import shutil
import subprocess
import sys
import tomllib
import venv
from importlib.metadata import distribution
from pathlib import Path

import pytest
from cli.test_cli import VALUES
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from palm.cli.extras import EXTRAS, missing_extra

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SOURCES = ("palm", "components", "pipelines", "examples", "pyproject.toml", "setup.py", "README.md", "LICENSE")
LOADED = "print(sorted({'torch', 'mlflow', 'boto3', 'pandas', 'kfp'} & set(sys.modules)))"


def closure(wanted: list[str]) -> set[str]:
    """Names of the installed distributions that some requirements bring."""
    found, left = set(), [Requirement(text) for text in wanted]
    while left:
        requirement = left.pop()
        name = canonicalize_name(requirement.name)
        if name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        left += [Requirement(text) for text in distribution(name).requires or ()]
    return found


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """A virtual environment with a wheel of palm and links to its base dependencies."""
    folder = tmp_path_factory.mktemp("base")
    (folder / "source").mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(ROOT / name, folder / "source" / name)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    environment = folder / "venv"
    venv.create(environment, symlinks=True)
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(folder / "source")]
    subprocess.run(build, check=True, capture_output=True)
    wheel = next(folder.glob("palm_portfolio-*.whl"))
    install = [*pip, "--python", str(environment), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    packages = next(environment.glob("lib/python*/site-packages"))
    for name in closure(PROJECT["dependencies"]):
        found = distribution(name)
        tops = {file.parts[0] for file in found.files if file.parts[0] not in ("..", "__pycache__")}
        for top in tops - {path.name for path in packages.iterdir()}:
            (packages / top).symlink_to(found.locate_file(top))
    return environment / "bin"


def run(base: Path, *command: object, folder: Path) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PALM"))}
    words = [str(base / str(command[0])), *map(str, command[1:])]
    return subprocess.run(words, capture_output=True, text=True, cwd=folder, env=own)


def test_geometry_and_certificates_need_no_extra(base, tmp_path):
    (tmp_path / "values.csv").write_text(VALUES)
    design = ("palm", "design", "--objectives", 2, "--epsilon", 0.4, "--delta", 0.1, "--json")
    for file, command in {
        "design": design,
        "selection": ("palm", "select", "values.csv", "--size", 2, "--json"),
    }.items():
        done = run(base, *command, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        (tmp_path / f"{file}.json").write_text(done.stdout)
        verified = run(base, "palm", "verify", f"{file}.json", folder=tmp_path)
        assert verified.returncode == 0 and verified.stdout.startswith("verified: "), verified.stderr


def test_the_python_api_needs_no_extra_for_geometry_and_configurations(base, tmp_path, workspace):
    code = f"""
import json, sys
import palm
assert not {{"numpy", "pydantic"}} & set(sys.modules), "importing palm imports nothing else"
design = palm.design(2, epsilon=0.4, delta=0.1)
table = palm.ValueTable(["a", "b", "c"], ["x", "y"], [[0.9, 0.1], [0.1, 0.9], [0.6, 0.6]], [0, 0, 0])
chosen = palm.select(table, 2)
open("selection.json", "w").write(json.dumps(chosen.to_dict()))
assert palm.verify("selection.json").certificate == "portfolio"
assert palm.load_config({str(workspace / "portfolio.yaml")!r}).reward_names
print(palm.__version__, design.size, len(chosen.portfolio))
{LOADED}
"""
    done = run(base, "python", "-c", code, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == [f"{PROJECT['version']} 4 2", "[]"]


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        (("run", "portfolio.yaml"), "train"),
        (("history", "portfolio.yaml"), "serve"),
        (("compile", "--output", "pipeline.yaml"), "cluster"),
        (("gc", "portfolio.yaml"), "serve"),
    ],
)
def test_a_command_names_the_extra_that_it_lacks(base, workspace, command, extra):
    done = run(base, "palm", *command, folder=workspace)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("error: ") and f"pip install 'palm-portfolio[{extra}]'" in done.stderr
    loud = run(base, "palm", "--debug", *command, folder=workspace)
    assert "ModuleNotFoundError" in loud.stderr


def test_every_requirement_of_an_extra_is_known_to_the_command():
    names = {"huggingface_hub": "huggingface-hub", "prometheus_client": "prometheus-client"}
    brought = {"botocore": "boto3", "kfp_server_api": "kfp", "markupsafe": "jinja2", "urllib3": "kubernetes"}
    for extra, modules in EXTRAS.items():
        wanted = {canonicalize_name(Requirement(text).name) for text in PROJECT["optional-dependencies"][extra]}
        known = {brought.get(module, names.get(module, module)) for module in modules.split()}
        assert known <= wanted and wanted - known <= {PROJECT["name"], "kfp-kubernetes"}, extra
    boto3 = ModuleNotFoundError("No module named 'boto3'", name="boto3.session")
    assert missing_extra(boto3, "gc") == "boto3: is not installed; pip install 'palm-portfolio[s3]'"
    assert missing_extra(ModuleNotFoundError("x", name="of_the_user"), "run") is None


def test_every_import_is_of_the_base_or_of_an_extra():
    base = {"numpy", "pydantic", "pydantic_core", "rich", "scipy", "typer", "yaml"}
    known = base | set(" ".join(EXTRAS.values()).split()) | set(sys.stdlib_module_names) | {"palm", "google", "vllm"}
    for room in ("palm", "components", "pipelines"):
        for path in (ROOT / room).rglob("*.py"):
            if "images" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
                assert {name.partition(".")[0] for name in names} <= known, path
