"""Values of policies as CSV: one row per policy, `policy,<reward names…>,regulariser`."""

import csv
from pathlib import Path

import numpy as np

from palm.errors import DataError
from palm.geometry.portfolio.values import ValueTable


def read_values(path: Path) -> ValueTable:
    """Read a table of values: rewards in [0, 1] and regulariser ≥ 0 of every policy.

    Raises:
        DataError: the file is missing, has another header, or a cell is not a number in its range.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream)
            rows = [(reader.line_num, row) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(str(path), rule=f"cannot be read ({error})", remedy="give the path of a CSV file") from error
    header = [name.strip() for name in rows[0][1]] if rows else []
    if len(header) < 4 or header[0] != "policy" or header[-1] != "regulariser" or "" in header:
        raise DataError(
            f"{path}: header {','.join(header)!r}",
            rule="must be policy,<at least two rewards>,regulariser",
            remedy="name the columns so",
        )
    if len(rows) < 2:
        raise DataError(str(path), rule="holds no policies", remedy="give one row per policy")
    numbers = [_numbers(path, line, header, row) for line, row in rows[1:]]
    values = np.array(numbers)
    return ValueTable(
        names=tuple(row[0].strip() for _, row in rows[1:]),
        reward_names=tuple(header[1:-1]),
        rewards=values[:, :-1],
        regulariser=values[:, -1],
    )


def _numbers(path: Path, line: int, header: list[str], row: list[str]) -> list[float]:
    if len(row) != len(header):
        raise DataError(
            f"{path} line {line}",
            rule=f"has {len(row)} cells, the header has {len(header)}",
            remedy="give every row one cell per column",
        )
    if not row[0].strip():
        raise DataError(f"{path} line {line}: policy=''", rule="must not be empty", remedy="name the policy")
    numbers = []
    for name, cell in zip(header[1:], row[1:], strict=True):
        try:
            numbers.append(float(cell))
        except ValueError as error:
            raise DataError(f"{path} line {line}: {name}={cell!r}", rule="must be a number", remedy="fix it") from error
    return numbers
