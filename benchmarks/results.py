"""The file of results: each benchmark writes its own part and leaves the others alone."""

import os
import platform
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "RESULTS.md"


@dataclass(frozen=True)
class Section:
    """A table with its explanation.

    Attributes:
        title: heading.
        note: what is compared and how, a sentence or two.
        columns: names of the columns.
        rows: cells as text.
    """

    title: str
    note: str
    columns: tuple
    rows: list


def show(section: Section, console: Console) -> None:
    """Print a section as a table."""
    table = Table(title=section.title, caption=section.note)
    for column in section.columns:
        table.add_column(column, justify="right")
    for row in section.rows:
        table.add_row(*row)
    console.print(table)


def write(name: str, command: str, sections: list[Section], path: Path = RESULTS) -> None:
    """Replace one benchmark's part of the file of results.

    Args:
        name: of the part; its heading.
        command: what makes it again.
        sections: its tables.
        path: the file.
    """
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    lines = [f"# {name}", "", f"`{command}`, {date.today().isoformat()}, {machine}.", ""]
    for section in sections:
        lines += [f"## {section.title}", "", section.note, ""]
        lines += [_line(section.columns), _line(["--:"] * len(section.columns)), *map(_line, section.rows), ""]
    others = [part for part in _parts(path) if part.splitlines()[0] != f"# {name}"]
    path.write_text("\n\n".join(sorted([*others, "\n".join(lines).strip()])) + "\n", encoding="utf-8")


def _parts(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [f"# {part.strip()}" for part in f"\n{text}".split("\n# ")[1:]]


def _line(cells) -> str:
    return f"| {' | '.join(cells)} |"
