"""The examples of docs/python.md and the public API, run as they are written."""

import inspect
import re
from pathlib import Path

import mlflow
import pytest

import palm

PAGE = (Path(__file__).parents[2] / "docs" / "python.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
GEOMETRY = next(number for number, block in enumerate(BLOCKS) if "load_config" in block)


def test_geometry(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in BLOCKS[:GEOMETRY]:
        exec(block, names)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("48 True 3")
    assert printed[1].startswith("('safe', 'brief')") and printed[2] == "safe"
    assert "verified" not in printed[3] and "a portfolio of 2" in printed[3] and "48 cells cover" in PAGE + printed[-2]


def test_a_build_that_answers_and_is_champion(workers, workspace, monkeypatch, capfd):
    monkeypatch.chdir(workspace)
    names: dict = {"palm": palm}
    before = mlflow.get_tracking_uri()
    try:
        for block in BLOCKS[GEOMETRY:]:
            exec(block, names)
    finally:
        mlflow.set_tracking_uri(before)
    portfolio = names["summary"].selection.portfolio
    assert len(portfolio) == 2 and names["answer"].policy in portfolio
    assert capfd.readouterr().out.split()[-1] == "1"


@pytest.mark.parametrize("name", palm.__all__)
def test_every_public_name_is_documented_here_and_there(name):
    assert f"palm.{name}" in PAGE
    assert name in dir(palm)
    assert name == "__version__" or inspect.getdoc(getattr(palm, name))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'unknown'"):
        _ = palm.unknown
