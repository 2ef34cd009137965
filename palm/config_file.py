"""Reading the configuration: from a YAML file (people) or JSON text (pipeline tasks)."""

import difflib
import json
import re
from pathlib import Path

import yaml
from pydantic import ValidationError

from palm.config import PortfolioConfig, Prompts, Reward, Storage
from palm.errors import ConfigError


def load_config(path: Path) -> PortfolioConfig:
    """Read, check and anchor a configuration file.

    Args:
        path: a YAML file. Relative paths inside it are taken from its folder and made absolute.

    Returns:
        The validated configuration.

    Raises:
        ConfigError: the file is missing, not YAML, or breaks a rule.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"config={path}",
            rule=f"cannot be read ({error})",
            remedy="give the path of a YAML file, or make one with `palm init`",
        ) from error
    try:
        raw = yaml.load(text, Loader=_StrictLoader)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"config={path}", rule=f"is not valid YAML ({error})", remedy="mend the syntax") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"config={path}", rule="must be a YAML mapping", remedy="start from `palm init`")
    return _anchor(_validate(raw, origin=str(path)), path.resolve().parent)


def parse_config(text: str) -> PortfolioConfig:
    """Rebuild a configuration from `PortfolioConfig.to_json`, as pipeline tasks do.

    Args:
        text: JSON text.

    Returns:
        The validated configuration.

    Raises:
        ConfigError: the text is not JSON or breaks a rule.
    """
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(
            "config",
            rule=f"is not valid JSON ({error})",
            remedy="pass what `palm validate CONFIG --json` prints",
        ) from error
    return _validate(raw, origin="config")


def config_schema() -> dict:
    """JSON schema of the configuration, for editors and other programs."""
    return PortfolioConfig.model_json_schema()


class _StrictLoader(yaml.SafeLoader):
    """YAML in which a key given twice is an error instead of the last one winning."""

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"key {key!r} is given twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def _validate(raw, *, origin: str) -> PortfolioConfig:
    try:
        return PortfolioConfig.model_validate(raw)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        if first["type"] == "extra_forbidden":
            known = _known_keys(first["loc"][:-1])
            near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1, cutoff=0.0)
            raise ConfigError(
                f"{origin}: {place}={_shown(first['input'])}",
                rule="is not a known key",
                remedy=f"did you mean {near[0]!r}?{more}",
            ) from error
        value = "" if first["type"] == "missing" or isinstance(first["input"], dict) else f"={_shown(first['input'])}"
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigError(
            f"{origin}: {place}{value}",
            rule=message[:1].lower() + message[1:],
            remedy=f"see `palm schema` for every key and its range{more}",
        ) from error


def _shown(value) -> str:
    """A value as it may appear in a message: short, and without credentials."""
    text = re.sub(r"://\S*@", "://", repr(value))
    return text if len(text) <= 80 else f"{text[:80]}…"


def _known_keys(location: tuple) -> list[str]:
    """Keys of the section at a pydantic error location, found by walking the JSON schema."""
    schema = config_schema()
    node = schema

    def resolve(part: dict) -> dict:
        if "allOf" in part:
            part = part["allOf"][0]
        if "anyOf" in part:
            part = next(option for option in part["anyOf"] if option.get("type") != "null")
        return schema["$defs"][part["$ref"].rsplit("/", 1)[1]] if "$ref" in part else part

    for step in location:
        if isinstance(step, int):
            node = resolve(node["items"])
        elif "discriminator" in node:
            node = resolve({"$ref": node["discriminator"]["mapping"][step]})
        else:
            node = resolve(node["properties"][step])
    return list(node["properties"])


def _anchor(config: PortfolioConfig, folder: Path) -> PortfolioConfig:
    """Make every relative path of the configuration absolute, so that any task can run in any folder."""

    def path(text: str) -> str:
        return text if "://" in text else str((folder / text).resolve())

    def reward(entry: Reward) -> Reward:
        scheme, _, rest = entry.uri.partition(":")
        target, _, function = rest.rpartition(":")
        if scheme == "python" and target.endswith(".py"):
            return entry.model_copy(update={"uri": f"python:{path(target)}:{function}"})
        return entry

    base = config.base_model
    if base.tiny is not None:
        base = base.model_copy(update={"tiny": base.tiny.model_copy(update={"corpus": path(base.tiny.corpus)})})
    elif base.source.startswith((".", "/")) or (folder / base.source).is_dir():
        base = base.model_copy(update={"source": path(base.source)})
    evaluation = config.evaluation
    if (evaluation.embedding_model or "").startswith((".", "/")):
        evaluation = evaluation.model_copy(update={"embedding_model": path(evaluation.embedding_model)})
    uri = config.registry.tracking_uri
    if uri.startswith("sqlite:///"):
        uri = "sqlite:///" + path(uri.removeprefix("sqlite:///"))
    return config.model_copy(
        update={
            "base_model": base,
            "prompts": Prompts(train=path(config.prompts.train), eval=path(config.prompts.eval)),
            "rewards": tuple(reward(entry) for entry in config.rewards),
            "metrics": tuple(reward(entry) for entry in config.metrics),
            "evaluation": evaluation,
            "registry": config.registry.model_copy(update={"tracking_uri": uri}),
            "storage": Storage(root=path(config.storage.root)),
        }
    )
