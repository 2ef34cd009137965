"""`palm verify` on what `palm design` and `palm select` print."""

import json

import pytest
from cli.test_cli import DESIGN, VALUES, assert_one_line
from support.cluster_commands import palm


@pytest.fixture(scope="module")
def printed_design():
    return palm(*DESIGN, "--json").stdout


@pytest.fixture
def design(tmp_path, printed_design):
    path = tmp_path / "design.json"
    path.write_text(printed_design)
    return path


@pytest.fixture
def selection(tmp_path):
    values, path = tmp_path / "values.csv", tmp_path / "selection.json"
    values.write_text(VALUES)
    path.write_text(palm("select", values, "--size", 2, "--json").stdout)
    return path


def test_a_printed_design_is_verified(design):
    size, bound = (json.loads(design.read_text())[key] for key in ("size", "lower_bound"))
    lines = palm("verify", design).stdout.splitlines()
    assert lines[0] == (
        f"verified: {size} cells cover all preference weights of 3 objectives (ε'=0.4, δ'=0.0125), "
        "up to slivers thinner than 1e-12"
    )
    assert lines[1].startswith(f"verified: no cover has fewer than {bound} vectors")
    printed = json.loads(palm("verify", design, "--json").stdout)
    assert printed["verified"] is True and printed["certificate"] == "cover"
    assert [f"verified: {claim}" for claim in printed["proved"]] == lines and printed["not_proved"] == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--objectives", 2, "--strategy", "uniform", "--size", 3], "3 cells do NOT cover all preference weights"),
        (["--objectives", 2, "--strategy", "random", "--size", 3], "3 cells do NOT cover all preference weights"),
        (["--strategy", "minimal", "--objectives", 2], "cells cover all preference weights of 2 objectives"),
    ],
)
def test_designs_of_other_strategies_are_verified(tmp_path, options, words):
    path = tmp_path / "design.json"
    path.write_text(palm(*DESIGN, "--json", *options).stdout)
    assert words in palm("verify", path).stdout


def test_a_printed_selection_is_verified(selection):
    output = palm("verify", selection).stdout
    assert output.startswith("verified: for all preference weights of 2 objectives, a portfolio of 2 has")
    assert "not checked: epsilon_bound=" in output


@pytest.mark.parametrize("key", ["weights", "packing"])
def test_a_broken_row_is_named_by_its_line(design, key):
    lines = design.read_text().split("\n")
    number = lines.index(f'  "{key}": [') + 6
    first, rest = lines[number - 1].split(",", 1)
    lines[number - 1] = f"{first}1,{rest}" if "." in first else f"{first}.1,{rest}"
    lines[number - 1] = lines[number - 1].replace("[", "[0.25, ", 1)
    design.write_text("\n".join(lines))
    assert_one_line(palm("verify", design, code=1), [f"{design}, line {number}, {key}[4]", "must have 3 numbers"])


@pytest.mark.parametrize(
    ("text", "words"), [("{", ["cannot be read as JSON"]), ('{"size": 3}', ["line 1, certificate", "is missing"])]
)
def test_other_files_are_refused(tmp_path, text, words):
    path = tmp_path / "a.json"
    path.write_text(text)
    assert_one_line(palm("verify", path, code=1), [str(path), *words])
    assert_one_line(palm("verify", tmp_path / "none.json", code=1), ["none.json", "cannot be read"])
