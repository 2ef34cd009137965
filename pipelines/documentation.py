"""README.md of every component and pipeline: `python -m pipelines.documentation` writes them all."""

import sys
from importlib import import_module
from pathlib import Path

from google.protobuf.json_format import MessageToDict
from kfp.dsl.base_component import BaseComponent

from components.documentation import PAGE, component_names, component_pages, interface, render
from components.metadata import read_metadata
from palm.errors import PalmError
from palm.storage.files import write_text

FOLDER = Path(__file__).parent


def pipeline_names() -> list[str]:
    """The pipelines: every folder with a file pipeline.py, sorted."""
    return sorted(path.parent.name for path in FOLDER.glob("*/pipeline.py"))


def load_pipeline(name: str) -> BaseComponent:
    """Import a pipeline.

    Args:
        name: folder and function.

    Returns:
        The pipeline.
    """
    return getattr(import_module(f"pipelines.{name}.pipeline"), name)


def pipeline_pages() -> dict[Path, str]:
    """The pages of all pipelines.

    Returns:
        Content by path: a page in each pipeline's folder, and the table of all.

    Raises:
        DataError: an input or output lacks a description, or the metadata are malformed.
    """
    entries = [_entry(name) for name in pipeline_names()]
    pages = {FOLDER / entry["name"] / PAGE: _page("pipeline.md.j2", **entry) for entry in entries}
    return {**pages, FOLDER / PAGE: _page("pipelines.md.j2", pipelines=entries)}


def _page(template: str, **values) -> str:
    return render(template, package="pipelines", **values)


def _entry(name: str) -> dict:
    pipeline = load_pipeline(name)
    containers = _containers(pipeline)
    return {
        "name": name,
        "interface": interface(pipeline),
        "images": sorted({container["image"] for container in containers}),
        "steps": [step for step in component_names() if any(step in container["args"] for container in containers)],
        "metadata": read_metadata(FOLDER / name),
    }


def _containers(pipeline: BaseComponent) -> list[dict]:
    executors = MessageToDict(pipeline.pipeline_spec.deployment_spec)["executors"].values()
    return [executor["container"] for executor in executors if "container" in executor]


def main() -> None:
    """Write all pages, or none."""
    try:
        pages = {**component_pages(), **pipeline_pages()}
        for path, text in pages.items():
            write_text(path, text)
    except PalmError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
