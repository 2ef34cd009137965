"""Components and their documentation: names, source, descriptions, pages and metadata, which are in the wheel."""

import ast
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from google.protobuf.json_format import MessageToDict
from kfp import dsl
from support.short_stack import on_a_short_stack

from palm.components.documentation import component_names, component_pages, interface, load_component, render
from palm.components.metadata import read_metadata
from palm.config.cluster import GPU_IMAGE, Cluster
from palm.errors import DataError
from palm.pipelines.compile import PIPELINES
from palm.pipelines.documentation import pipeline_pages

ROOT = Path(__file__).parents[2]
FOLDERS = [
    *(ROOT / "components" / name for name in component_names()),
    *(ROOT / "pipelines" / name for name in PIPELINES),
]
KFP_PREFIX = "\nimport kfp\nfrom kfp import dsl\nfrom kfp.dsl import *\nfrom typing import *\n\n"
"""What KFP itself puts before the source of any component."""


def name_of(folder: Path) -> str:
    return f"{folder.parent.name}/{folder.name}"


def release(requirement: str) -> str:
    """A requirement of pyproject.toml as metadata.yaml writes it: with all three numbers."""
    operator, version = re.fullmatch(r"[a-z-]+(>=)([\d.]+)", requirement).groups()
    return operator + ".".join([*version.split("."), "0", "0"][:3])


@pytest.mark.parametrize("make", [component_pages, pipeline_pages])
def test_committed_pages_are_what_the_code_says(make):
    for path, text in on_a_short_stack(make).items():
        assert path.is_file() and path.read_text(encoding="utf-8") == text, f"{path.relative_to(ROOT)}: run `make docs`"


@pytest.mark.parametrize("name", component_names())
def test_folder_function_component_and_metadata_have_one_name(name):
    component = load_component(name)
    assert component.python_func.__name__ == name
    assert component.name == name.replace("_", "-")
    assert read_metadata(ROOT / "components" / name).name == name


def test_every_folder_of_components_is_a_component():
    folders = {path.name for path in (ROOT / "components").iterdir() if (path / "__init__.py").exists()}
    assert folders == set(component_names())


@pytest.mark.parametrize("name", component_names())
def test_every_input_and_output_is_described(name):
    spec = load_component(name).component_spec
    described = {**(spec.inputs or {}), **(spec.outputs or {})}
    assert described
    assert [key for key, entry in described.items() if not (entry.description or "").strip()] == []


@pytest.mark.parametrize("name", component_names())
def test_the_source_that_kubeflow_copies_into_the_status_of_every_run_is_a_signature_and_a_call(name):
    source = load_component(name).component_spec.implementation.container.command[-1]
    assert source.startswith(KFP_PREFIX)
    own = source.removeprefix(KFP_PREFIX)
    # A run's status holds it a dozen times for each task.
    assert len(own.encode()) <= 370
    (function,) = ast.parse(own).body
    assert function.name == name and ast.get_docstring(function) is None


@pytest.mark.parametrize("name", component_names())
def test_the_component_is_run_in_a_pipeline(name):
    path = Path(__file__).with_name(f"test_{name}.py")
    assert path.is_file(), f"run the component in a pipeline around it: tests/components/{path.name}"
    tree = ast.parse(path.read_text())
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert {name, "run_locally"} <= called


@pytest.mark.parametrize("name", component_names())
def test_the_example_of_use_is_a_pipeline_that_compiles(name, tmp_path):
    page = (ROOT / "components" / name / "README.md").read_text(encoding="utf-8")
    program = tmp_path / "example.py"
    program.write_text(re.search(r"```python\n(.*?)```", page, re.DOTALL)[1])
    tasks = runpy.run_path(str(program))["my_pipeline"].pipeline_spec.root.dag.tasks
    called = {task.component_ref.name for task in tasks.values()}
    assert f"comp-{name.replace('_', '-')}" in called


@dsl.component(base_image="image")
def undescribed(config: str, page: dsl.Output[dsl.HTML]):
    """Do something.

    Args:
        config: The configuration.
        page: KFP drops the description of an output.
    """


@dsl.component(base_image="image")
def optional(limit: int = 3, word: str = "a|b"):
    """Do something else.

    Args:
        limit: How often
            | how much.
        word: Any.
    """


def test_an_output_without_a_description_is_refused():
    with pytest.raises(DataError, match=r"undescribed: page: has no description.*`Returns:`"):
        interface(undescribed)


def test_defaults_and_line_breaks_in_a_table():
    metadata = read_metadata(ROOT / "components" / "record_outcome")
    page = render(
        "component.md.j2", name="optional", interface=interface(optional), images=["image"], metadata=metadata
    )
    assert "| `limit` | `int` | `3` | How often \\| how much. |" in page
    assert "| `word` | `str` | `'a\\|b'` | Any. |" in page
    assert "## Outputs" not in page and "List" not in page


def test_resources_are_those_that_the_pipelines_ask_for():
    spec = MessageToDict(on_a_short_stack(PIPELINES["build_portfolio"], Cluster()).pipeline_spec)
    executors = [executor["container"] for executor in spec["deploymentSpec"]["executors"].values()]
    assert {executor["args"][-1]: executor["image"] == GPU_IMAGE for executor in executors} == {
        name: read_metadata(ROOT / "components" / name).resources == "gpu" for name in component_names()
    }


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_dependencies_are_those_of_the_project(folder):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    metadata = read_metadata(folder)
    required = [entry for extra in project["optional-dependencies"].values() for entry in extra]
    requirement = {
        name: next(entry for entry in required if re.match(rf"{name}\W", entry)) for name in ("kfp", "mlflow")
    }
    assert [(entry.name, entry.version) for entry in metadata.dependencies.kubeflow] == [
        ("Pipelines", release(requirement["kfp"]))
    ]
    for service in metadata.dependencies.external_services:
        assert service.version == {"MLflow": release(requirement["mlflow"]), "S3": None}[service.name]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "other"}, "name=other: must be design_grid"),
        ({"stability": "done"}, "stability"),
        ({"tags": []}, "tags"),
        ({"lastVerified": "2020-01-01"}, "lastVerified"),
        ({"dependencies": {"kubeflow": [{"name": "Pipelines", "version": "2"}]}}, "dependencies.kubeflow.0.version"),
        ({"dependencies": {"kubeflow": []}}, "dependencies.kubeflow"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_wrong_metadata_are_refused(change, message, tmp_path):
    folder = tmp_path / "design_grid"
    folder.mkdir()
    right = yaml.safe_load((ROOT / "components" / "design_grid" / "metadata.yaml").read_text())
    (folder / "metadata.yaml").write_text(yaml.safe_dump({**right, **change}))
    with pytest.raises(DataError, match=re.escape(message)):
        read_metadata(folder)


def test_missing_metadata_are_refused(tmp_path):
    with pytest.raises(DataError, match="metadata.yaml: cannot be read"):
        read_metadata(tmp_path)


def test_pages_metadata_and_templates_are_in_the_wheel(tmp_path):
    copy = tmp_path / "project"
    for name in ("palm", "components", "pipelines", "examples"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md"):
        shutil.copyfile(ROOT / name, copy / name)
    build = f"from setuptools.build_meta import build_wheel; build_wheel({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=copy, check=True, capture_output=True)
    held = set(zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist())
    for folder in FOLDERS:
        for file in ("metadata.yaml", "README.md", "__init__.py"):
            assert f"palm/{name_of(folder)}/{file}" in held
    for template in [*ROOT.glob("components/*.j2"), *ROOT.glob("pipelines/*.j2")]:
        assert f"palm/{template.relative_to(ROOT)}" in held
