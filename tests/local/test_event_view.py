"""View of a build's events."""

import io

from rich.console import Console

from palm.local.event_view import EventView
from palm.progress import EVENTS_VARIABLE, stage


def test_stages_of_one_label_and_process_number_are_told_apart(tmp_path, monkeypatch):
    """As two containers have them that train the same weights: each is process 1 of its own."""
    monkeypatch.setenv(EVENTS_VARIABLE, str(tmp_path / "events.jsonl"))
    console = Console(file=io.StringIO())
    with EventView(tmp_path / "events.jsonl", console) as view:
        with stage("train_policy", "0.5 0.5"), stage("train_policy", "0.5 0.5") as inner:
            inner.advance(1, 1)
        view.poll()
    assert console.file.getvalue().count("✓ train_policy 0.5 0.5") == 2


def test_names_are_no_markup_of_the_terminal(tmp_path, monkeypatch):
    """The label of a step may be a path of the user."""
    monkeypatch.setenv(EVENTS_VARIABLE, str(tmp_path / "events.jsonl"))
    console = Console(file=io.StringIO(), width=200)
    with EventView(tmp_path / "events.jsonl", console) as view:
        with stage("prepare_base_model", "/models/[/]/[red]") as inner:
            inner.advance(1, 1, "[/bold]")
        view.poll()
    assert "✓ prepare_base_model /models/[/]/[red]" in console.file.getvalue()
