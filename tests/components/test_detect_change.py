"""The component detect_change in a pipeline of its own, against a real MLflow."""

import json
from pathlib import Path
from typing import NamedTuple

import pytest
from kfp import dsl
from support.mini_pipeline import run_locally

from palm.components.detect_change.component import detect_change
from palm.config.load import parse_config
from palm.config.resolve import read_snapshot, resolve_config
from palm.steps.detect_change import detect_change as library_detect_change

Change = NamedTuple("Change", changes=dsl.Markdown, changed=bool, config=str, snapshot=str)


@pytest.mark.parametrize(("beta", "lines"), [(0.1, []), (0.2, ["beta: 0.1 → 0.2"])])
def test_finds_the_changes_that_the_library_finds(build, config, tmp_path, beta, lines):
    root = str(tmp_path / "another")

    @dsl.pipeline
    def alone(config: str) -> Change:
        task = detect_change(config=config, storage_root=root, tracking_uri="")
        return Change(*(task.outputs[name] for name in Change._fields))

    wanted = parse_config(config).model_copy(update={"beta": beta})
    expected = library_detect_change(wanted, tmp_path / "changes.md")
    made = run_locally(alone, tmp_path / "run", config=wanted.to_yaml())
    assert made["changed"] is expected.changed is bool(lines)
    assert expected.lines == lines
    assert Path(made["changes"].path).read_text(encoding="utf-8") == (tmp_path / "changes.md").read_text()
    # Other tasks are given addresses, which do not grow with what is there.
    assert made["config"].startswith(f"{root}/configs/") and made["snapshot"].startswith(f"{root}/snapshots/")
    assert json.loads(read_snapshot(made["snapshot"])) == expected.snapshot
    resolved = resolve_config(made["config"])
    assert resolved == wanted.model_copy(update={"storage": wanted.storage.model_copy(update={"root": root})})
