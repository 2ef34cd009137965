"""README.md of every component, from its compiled interface and its metadata."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from kfp.dsl.base_component import BaseComponent
from kfp.dsl.types.type_utils import IN_MEMORY_SPEC_TYPE_TO_IR_TYPE, IR_TYPE_TO_COMMENT_TYPE_STRING

from palm.components.metadata import read_metadata
from palm.config.cluster import GPU_IMAGE, IMAGE
from palm.errors import DataError

FOLDER = Path(__file__).parent
PAGE = "README.md"


@dataclass(frozen=True)
class Argument:
    """An input or output: its type and default as Python text; no default is None."""

    name: str
    type: str
    artifact: bool
    required: bool
    default: str | None
    description: str


@dataclass(frozen=True)
class Interface:
    """Interface of a component or pipeline: the first line of its description, the rest of it, inputs and outputs."""

    summary: str
    details: str
    inputs: tuple[Argument, ...]
    outputs: tuple[Argument, ...]


def component_names() -> list[str]:
    """The components: every folder with a file component.py, sorted."""
    return sorted(path.parent.name for path in FOLDER.glob("*/component.py"))


def load_component(name: str) -> BaseComponent:
    """Import a component by the name of its folder and function."""
    component = getattr(import_module(f"palm.components.{name}.component"), name, None)
    if not isinstance(component, BaseComponent):
        raise DataError(
            f"components/{name}/component.py", rule=f"defines no component {name}", remedy="name the function so"
        )
    return component


def interface(component: BaseComponent) -> Interface:
    """Interface of a component or pipeline itself: KFP leaves descriptions of a pipeline's inputs out of its YAML."""
    spec = component.component_spec
    if not spec.description:
        raise DataError(component.name, rule="has no description", remedy="give its function a docstring")
    inputs = [_argument(component.name, name, entry) for name, entry in (spec.inputs or {}).items()]
    outputs = [_argument(component.name, name, entry) for name, entry in (spec.outputs or {}).items()]
    summary, _, details = spec.description.partition("\n")
    return Interface(
        summary, details, tuple(sorted(inputs, key=lambda argument: not argument.required)), tuple(outputs)
    )


def component_pages() -> dict[Path, str]:
    """Content by path: a page in each component's folder, and the table of all."""
    entries = [_entry(name) for name in component_names()]
    pages = {FOLDER / entry["name"] / PAGE: render("component.md.j2", **entry) for entry in entries}
    return {**pages, FOLDER / PAGE: render("components.md.j2", components=entries)}


def render(template: str, *, package: str = "components", **values) -> str:
    """Fill a Markdown template of a package, which may include the templates of this package."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(f"palm.{package}", "."), PackageLoader("palm.components", ".")]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        # Markdown, not HTML.
        autoescape=False,
    )
    environment.filters["cell"] = _cell
    return environment.get_template(template).render(values)


def _entry(name: str) -> dict:
    metadata = read_metadata(FOLDER / name)
    return {
        "name": name,
        "interface": interface(load_component(name)),
        "images": [IMAGE, GPU_IMAGE] if metadata.resources == "gpu" else [IMAGE],
        "metadata": metadata,
    }


def _argument(owner: str, name: str, spec) -> Argument:
    if not spec.description:
        raise DataError(
            f"{owner}: {name}",
            rule="has no description",
            remedy="describe inputs under `Args:` and all outputs, artifacts too, under `Returns:`",
        )
    optional = getattr(spec, "optional", False)
    return Argument(
        name=name,
        type=_type(spec),
        artifact=spec.type not in IN_MEMORY_SPEC_TYPE_TO_IR_TYPE,
        required=not optional,
        default=repr(spec.default) if optional else None,
        description=spec.description,
    )


def _type(spec) -> str:
    if spec.type in IN_MEMORY_SPEC_TYPE_TO_IR_TYPE:
        return IR_TYPE_TO_COMMENT_TYPE_STRING[IN_MEMORY_SPEC_TYPE_TO_IR_TYPE[spec.type]]
    artifact = f"dsl.{spec.type.partition('@')[0].removeprefix('system.')}"
    return f"List[{artifact}]" if spec.is_artifact_list else artifact


def _cell(text: str) -> str:
    """Text for a cell of a table: on one line, column separators escaped."""
    return " ".join(text.split()).replace("|", "\\|")
