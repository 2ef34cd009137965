"""View of the events of a running build: bars on a terminal, plain lines elsewhere."""

import json
import threading
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

_POLL_SECONDS = 0.2


class EventView:
    """Follows a file of events (`palm.progress`), which may not exist yet, inside a `with` block.

    ``first_error`` is the step and the message of the first step that failed, or None.
    """

    def __init__(self, path: Path, console: Console):
        self._path, self._console = path, console
        self._position = 0
        self._lock = threading.Lock()
        self._started: dict[str, float] = {}
        self._bars: dict[str, TaskID] = {}
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.first_error: tuple[str, str] | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> "EventView":
        """Start to follow the file."""
        self._progress.start()
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        """Show the last events and stop."""
        self._ended.set()
        self._thread.join()
        self.poll()
        self._progress.stop()

    def poll(self) -> None:
        """Show the events that were written since the last poll."""
        with self._lock:
            if not self._path.exists():
                return
            with self._path.open(encoding="utf-8") as stream:
                stream.seek(self._position)
                while (line := stream.readline()).endswith("\n"):
                    self._position = stream.tell()
                    self._show(json.loads(line))

    def _follow(self) -> None:
        while not self._ended.wait(_POLL_SECONDS):
            self.poll()

    def _show(self, event: dict) -> None:
        # Not by name: equal weight vectors have equal labels.
        key = event["id"]
        name = f"{event['stage']} {event['label']}".strip()
        shown = escape(name)
        match event["event"]:
            case "start":
                self._started[key] = event["time"]
                self._bars[key] = self._progress.add_task(shown, total=None, note="")
            case "advance":
                self._progress.update(
                    self._bars[key],
                    completed=event["done"],
                    total=event["total"],
                    note=escape(f"{event['done']}/{event['total']} {event['note']}"),
                )
            case "done":
                self._finish(key, f"[green]✓[/] {shown}  [dim]{event['time'] - self._started[key]:.1f} s[/]")
            case "error":
                self._finish(key, f"[red]✗[/] {shown}")
                self.first_error = self.first_error or (name, event["error"])

    def _finish(self, key: str, line: str) -> None:
        self._progress.remove_task(self._bars.pop(key))
        self._console.print(line, highlight=False)
