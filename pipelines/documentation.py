"""README.md of every component and pipeline; `python -m palm.pipelines.documentation` writes them."""

import sys
from pathlib import Path

from google.protobuf.json_format import MessageToDict
from kfp.dsl.base_component import BaseComponent

from palm.components.documentation import PAGE, component_names, component_pages, interface, render
from palm.components.metadata import read_metadata
from palm.config.cluster import Cluster
from palm.errors import PalmError
from palm.pipelines.compile import PIPELINES
from palm.storage.files import write_text

FOLDER = Path(__file__).parent


def pipeline_pages() -> dict[Path, str]:
    """Content by path: a page in each pipeline's folder, and the table of all."""
    entries = [_entry(name) for name in sorted(PIPELINES)]
    pages = {FOLDER / entry["name"] / PAGE: _page("pipeline.md.j2", **entry) for entry in entries}
    return {**pages, FOLDER / PAGE: _page("pipelines.md.j2", pipelines=entries)}


def _page(template: str, **values) -> str:
    return render(template, package="pipelines", **values)


def _entry(name: str) -> dict:
    pipeline = PIPELINES[name](Cluster())
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
    """Write all pages, or none if one of them cannot be made."""
    try:
        pages = {**component_pages(), **pipeline_pages()}
        for path, text in pages.items():
            write_text(path, text)
    except PalmError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
