"""Parsing and validation of the configuration: a YAML file of a user, or JSON text of a pipeline task."""

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from palm.config.base import Section
from palm.config.cluster import Cluster
from palm.config.locations import with_places
from palm.config.overrides import with_overrides
from palm.config.portfolio import PortfolioConfig
from palm.config.storage import Storage
from palm.config.yaml_text import parse_yaml
from palm.errors import ConfigError, without_credentials
from palm.storage.location import Location
from palm.storage.s3_settings import use_s3_settings


class _ClusterOnly(Section):
    """A configuration of which only the section ``cluster`` is known."""

    cluster: Cluster = Cluster()


class _Places(_ClusterOnly):
    """A configuration of which only the sections ``cluster`` and ``storage`` are known."""

    storage: Storage


def load_cluster(overrides: Mapping[str, Any]) -> Cluster:
    """The section ``cluster`` where there is no configuration file: its defaults, with overrides."""
    return _validate(with_overrides({}, overrides), origin="--set", model=_ClusterOnly).cluster


def load_places(overrides: Mapping[str, Any], storage_root: str) -> tuple[Cluster, Storage]:
    """The sections ``cluster`` and ``storage`` where there is no configuration file; S3 is reached as they say."""
    raw = with_overrides({}, {**overrides, "storage.root": storage_root})
    places = _validate(raw, origin="--set", model=_Places)
    use_s3_settings(places.storage.s3_settings)
    return places.cluster, places.storage


def load_config(path: Path, overrides: Mapping[str, Any] | None = None) -> PortfolioConfig:
    """Read and validate a YAML file; relative paths become absolute, from its folder; overrides are by dotted key."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"config={path}",
            rule=f"cannot be read ({error})",
            remedy="give the path of a YAML file, or make one with `palm init`",
        ) from error
    raw = with_overrides(parse_yaml(text, origin=f"config={path}"), overrides or {})
    return _in_use(_anchor(_validate(raw, origin=str(path)), path.resolve().parent))


def parse_config(text: str) -> PortfolioConfig:
    """Validate the JSON text of `PortfolioConfig.to_json`, as pipeline tasks do."""
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(
            "config", rule=f"is not valid JSON ({error})", remedy="pass what `palm validate CONFIG --json` prints"
        ) from error
    return _in_use(_validate(raw, origin="config"))


def _in_use(config: PortfolioConfig) -> PortfolioConfig:
    """Let this process, and those that it starts, reach S3 as the configuration says."""
    use_s3_settings(config.storage.s3_settings)
    return config


def config_schema() -> dict:
    """JSON schema of the configuration, for editors and other tools."""
    return PortfolioConfig.model_json_schema()


def _validate(raw, *, origin: str, model: type[BaseModel] = PortfolioConfig):
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        # A mistyped key comes before the key that is missing because of it.
        first = next((problem for problem in problems if problem["type"] == "extra_forbidden"), problems[0])
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        path, _ = _walk(first["loc"], model)
        place = ".".join(str(part) for part in path) or "the whole"
        if first["type"] == "extra_forbidden":
            _, known = _walk(first["loc"][:-1], model)
            near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1, cutoff=0.0)
            raise ConfigError(
                f"{origin}: {place}={_shown(first['input'])}",
                rule="is not a known key",
                remedy=f"did you mean {near[0]!r}?{more}",
            ) from error
        value = "" if first["type"] == "missing" or isinstance(first["input"], dict) else f"={_shown(first['input'])}"
        raise ConfigError(
            f"{origin}: {place}{value}",
            rule=_rule(first),
            remedy=f"see `palm schema` for every key and its range{more}",
        ) from error


def _rule(problem: dict) -> str:
    """The message of pydantic, without its own terms."""
    match problem["type"]:
        case "union_tag_invalid":
            context = problem["ctx"]
            key = context["discriminator"].strip("'")
            return f"{key}={context['tag']!r} is none of {context['expected_tags']}"
        case "union_tag_not_found":
            return f"key {problem['ctx']['discriminator']} required"
        case "model_type":
            return "must be a section of keys and values"
    message = problem["msg"].removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def _shown(value) -> str:
    """A value for a message: short, and without credentials."""
    text = without_credentials(repr(value))
    return text if len(text) <= 80 else f"{text[:80]}…"


def _walk(location: tuple, model: type[BaseModel]) -> tuple[list, list[str]]:
    """Follow a pydantic error location, which includes the tags of unions, through the JSON schema.

    Returns:
        The keys and indices of the user's file, and the known keys of the section where they end.
    """
    schema = model.model_json_schema()
    node, path = schema, []

    def resolve(part: dict) -> dict:
        if "allOf" in part:
            part = part["allOf"][0]
        if "anyOf" in part:
            part = next(option for option in part["anyOf"] if option.get("type") != "null")
        return schema["$defs"][part["$ref"].rsplit("/", 1)[1]] if "$ref" in part else part

    for step in location:
        if "oneOf" in node:
            # A union: the step is the tag of a member, by discriminator value or by section, and no key of the file.
            mapping = node.get("discriminator", {}).get("mapping", {})
            node = resolve({"$ref": mapping.get(step, f"#/$defs/{step}")})
            continue
        if isinstance(step, str) and "properties" not in node:
            break  # A union of plain types: the step is the name of one of them.
        path.append(step)
        if isinstance(step, int):
            node = resolve(node.get("items", {}))
        else:
            node = resolve(node.get("properties", {}).get(step, {}))
    return path, list(node.get("properties", []))


def _anchor(config: PortfolioConfig, folder: Path) -> PortfolioConfig:
    """Make relative paths absolute, because tasks run in other folders."""

    def path(text: str) -> str:
        return text if Location(text).is_url else str((folder / text).resolve())

    def model(source: str) -> str:
        return path(source) if Location(source).is_path or (folder / source).is_dir() else source

    uri = config.registry.tracking_uri
    if uri.startswith("sqlite:///"):
        uri = "sqlite:///" + path(uri.removeprefix("sqlite:///"))
    return with_places(config, file=path, model=model).model_copy(
        update={
            "registry": config.registry.model_copy(update={"tracking_uri": uri}),
            "storage": config.storage.model_copy(update={"root": path(config.storage.root)}),
        }
    )
