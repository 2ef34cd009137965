"""Commands of pods are commands of palm, with options and values that it accepts."""

import pytest
import typer
from support.built_manifests import environment_of, expanded
from support.overlays import OVERLAYS, overlay, pods

from palm.cli.main import app

COMMANDS = typer.main.get_command(app).commands
SECRETS = {"palm-credentials": {}}
REFUSED = typer.BadParameter.__base__
"""What is raised for every mistake of usage, which typer gives no name of its own."""


def commands_of(name: str) -> list[list[str]]:
    objects = overlay(name)
    found = []
    for one in pods(objects):
        for container in one.containers:
            words = [*container.get("command", []), *container.get("args", [])]
            if words and words[0] == "palm":
                given = [entry for entry in container.get("env", []) if "value" in entry]
                environment = environment_of(container | {"env": given}, objects, SECRETS)
                found.append(expanded(words[1:], environment))
    return found


def refusal(words: list[str]) -> str | None:
    try:
        COMMANDS[words[0]].make_context(words[0], list(words[1:]))
    except (KeyError, REFUSED) as error:
        return f"{words}: {error}"
    return None


@pytest.mark.parametrize("name", OVERLAYS)
def test_palm_takes_what_pods_start_it_with(name):
    commands = commands_of(name)
    assert {"schedule", "doctor", "gc"} <= {words[0] for words in commands}
    assert [refused for words in commands if (refused := refusal(words))] == []


@pytest.mark.parametrize(
    "words", [["schedul"], ["gc", "/etc/palm/portfolio.yaml", "--day=14"], ["gc", "x", "--days=week"]]
)
def test_a_mistake_in_a_command_is_found(words):
    assert refusal(words)
