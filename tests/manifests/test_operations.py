"""Commands in docs/operations.md run."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
import yaml
from support.built_manifests import KUBECTL, MANIFESTS, container_of, find
from support.overlays import OVERLAYS, found, overlay
from support.published import publish, upload_base
from support.small_portfolio import promote

from palm.cli.main import app
from palm.config.load import load_config

ROOT = MANIFESTS.parent
GUIDE = ROOT / "docs" / "operations.md"

SAID = ("short answers", "champion is version 2, was version 1", "nothing to repair", "policy-a=")


@dataclass(frozen=True)
class Block:
    line: int
    needs_cluster: bool
    text: str


def blocks() -> list[Block]:
    text = GUIDE.read_text()
    fences = re.finditer(r"^```([^\n]+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(text[: one.start()].count("\n") + 1, _is_marked(one[1]), one[2]) for one in fences]


def _is_marked(info: str) -> bool:
    assert info in ("sh", "sh cluster"), f"a block is neither for the test nor marked: {info}"
    return info == "sh cluster"


IN_CLUSTER = [block for block in blocks() if block.needs_cluster]


def commands(block: Block) -> list[list[str]]:
    joined = re.sub(r"\\\n|(?<=\|)\n", " ", block.text)
    return [
        shlex.split(part, comments=True) for line in joined.splitlines() for part in line.split(" | ") if part.strip()
    ]


def test_what_needs_no_cluster_runs(server_workspace, base_model, s3, tmp_path):
    """In the order of the guide, beside the site's portfolio.yaml and the manifests."""
    upload_base(s3, base_model)
    path = server_workspace / "portfolio.yaml"
    config = load_config(path)
    for number in (1, 2):
        folder = server_workspace / f"build-{number}"
        folder.mkdir()
        publish(config, folder, base_model, seed=number)
        promote(config, str(number), against=None if number == 1 else "1")
    shutil.copytree(MANIFESTS, server_workspace / "manifests")
    script = "\n".join(block.text for block in blocks() if not block.needs_cluster)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=server_workspace,
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )
    assert done.returncode == 0, done.stderr
    for said in SAID:
        assert said in done.stdout, said
    assert list(yaml.safe_load_all((server_workspace / "production.yaml").read_text()))


@pytest.mark.parametrize("block", IN_CLUSTER, ids=lambda block: f"line {block.line}")
def test_what_needs_a_cluster_names_what_there_is(block):
    for words in commands(block):
        {"kubectl": _check_kubectl, "palm": _check_palm, "make": _check_make}.get(words[0], lambda words: None)(words)
        assert words[0] in ("kubectl", "palm", "make", "docker", "kind"), words


def _check_palm(words: list[str]) -> None:
    command = typer.main.get_command(app)
    context = command.make_context("palm", words[1:], resilient_parsing=False)
    name, subcommand, rest = command.resolve_command(context, words[1:])
    subcommand.make_context(name, rest, parent=context)


def _check_make(words: list[str]) -> None:
    assert re.search(rf"^{words[1]}:", (ROOT / "components/images/images.mk").read_text(), re.MULTILINE)


def _check_kubectl(words: list[str]) -> None:
    options = [word for word in words[1:] if word.startswith("-")]
    rest = [word for word in words[1:] if not word.startswith("-") and word != "palm"]
    verb = rest[: 2 if rest[0] in ("create", "set", "rollout") else 1]
    help_text = _help(*verb) + _help("options")
    for option in options:
        assert f"{option.partition('=')[0]}" in help_text, f"{words}: kubectl {verb} has no {option}"
    objects = [one for name in ("production", "serving", "dev") for one in overlay(name)]
    names = re.findall(r"\b(cronjob|deployment)[/ ]([\w-]+)", " ".join(words))
    names += [("job", name) for name in re.findall(r"delete job ([\w-]+)", " ".join(words))]
    for kind, name in names:
        known = {one["metadata"]["name"] for one in objects if one["kind"].lower() == kind}
        assert name in known, f"{words}: there is no {kind} {name}"
    for option in options:
        if match := re.match(r"--selector=(\S+)=(\S+)", option):
            pods = [one["spec"]["template"]["metadata"]["labels"] for one in found(objects, "Deployment")]
            assert any(labels.get(match[1]) == match[2] for labels in pods), option
    for word in rest:
        if word.startswith("manifests/overlays/"):
            assert word.rpartition("/")[2] in OVERLAYS


def _help(*verb: str) -> str:
    arguments = verb if verb == ("options",) else (*verb, "--help")
    return subprocess.run([KUBECTL, *arguments], capture_output=True, text=True, check=True).stdout


def test_an_earlier_backup_is_asked_for_as_the_guide_says():
    """The middle of the pipe runs here, on the Job that the first command makes of the CronJob."""
    (block,) = [block for block in IN_CLUSTER if "set env" in block.text]
    (words,) = [words for words in commands(block) if words[1:3] == ["set", "env"]]
    cron_job = find(overlay("production"), "CronJob", "palm-restore")
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "one"}, **cron_job["spec"]["jobTemplate"]}
    done = subprocess.run([KUBECTL, *words[1:]], input=yaml.safe_dump(job), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    fetch = container_of(yaml.safe_load(done.stdout), "fetch")
    assert {"name": "DUMP", "value": "20260131T031700Z"} in fetch["env"]


def test_every_overlay_and_component_is_in_the_guide():
    text = GUIDE.read_text()
    for name in OVERLAYS:
        assert re.search(rf"`(overlays/)?{name}`", text), name
    for folder in (MANIFESTS / "components").iterdir():
        assert folder.name.startswith("gpu-") or f"`{folder.name}`" in text, folder.name
