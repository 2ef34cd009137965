"""Files: certificates that hold are verified; errors name the line that fails."""

import copy
import json
import re

import pytest
from support.errors import one_line

from palm.errors import DataError, VerificationError
from palm.geometry.preferences.grids import random_grid, uniform_grid
from palm.geometry.preferences.levels import pivot_grid
from palm.verification.certificate_file import verify_file

FIGURE_1 = {"epsilon": 0.4, "delta": 0.0125}
CORNERS = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]


@pytest.fixture(scope="module")
def cover(cover_certificate):
    weights = pivot_grid(3, (0.01214, 0.06102, 0.18886, 0.57117))
    return cover_certificate(weights, packing=[*CORNERS, [0.5, 0.5, 0.0]], **FIGURE_1)


@pytest.fixture
def refused(save):
    """A function that breaks a certificate, and checks that the line of the right place is named."""

    def check(certificate, change, place, words, others=()):
        broken = copy.deepcopy(certificate)
        change(broken)
        path = save(broken)
        with one_line(VerificationError, *words) as caught:
            verify_file(path)
        message = str(caught.value)
        lines = path.read_text().split("\n")
        assert message.startswith(f"{path}, line {expected_line(lines, place)}, {name(place)}")
        for other in others:
            assert f"(and {name(other)}, line {expected_line(lines, other)})" in message
        return message

    return check


def name(place):
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")


def expected_line(lines, place):
    """Find a line as a person would: the key, then as many rows further down as the number says."""
    at = 0
    for step in place:
        if isinstance(step, str):
            at = next(number for number in range(at, len(lines)) if lines[number].strip().startswith(f'"{step}":'))
        elif not lines[at].rstrip(",").endswith("]"):
            at += step + 1
    return at + 1


def test_a_cover_is_verified(cover, save):
    verified = verify_file(save(cover))
    assert verified.certificate == "cover" and verified.not_proved == ()
    assert verified.proved == (
        "48 cells cover all preference weights of 3 objectives (ε'=0.4, δ'=0.0125), up to slivers thinner than 1e-12",
        "no cover has fewer than 4 vectors (packing of 4)",
    )


@pytest.mark.parametrize("weights", [uniform_grid(3, 48), random_grid(3, 48, seed=1), random_grid(2, 3, seed=0)])
def test_a_hole_that_is_admitted_is_verified(cover_certificate, save, weights):
    certificate = cover_certificate(weights, **FIGURE_1)
    verified = verify_file(save(certificate))
    assert f"{len(weights)} cells do NOT cover" in verified.proved[0]
    assert f"{certificate['coverage']['uncovered_fraction']:.6g} of the simplex" in verified.not_proved[0]


def test_a_portfolio_is_verified(portfolio_certificate, save):
    verified = verify_file(save(portfolio_certificate(0, 3)))
    assert verified.certificate == "portfolio" and len(verified.proved) == 3


def test_a_moved_weight_that_leaves_a_hole(cover, refused):
    def move(certificate):
        row = certificate["weights"][20]
        certificate["weights"][20] = [row[0] - 0.02, row[1] + 0.02, row[2]]

    message = refused(cover, move, ("coverage", "covered"), ["no cell holds v=[", "the nearest cell misses it by 0.0"])
    nearest, line = map(int, re.search(r"\(and weights\[(\d+)\], line (\d+)\)", message).groups())
    assert line == 9 + nearest


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ([0.5, 0.5, 0.1], ["must sum to 1, sums to 1.1"]),
        ([0.6, 0.5, -0.1], ["must not be negative, holds -0.1"]),
        ([0.5, 0.5], ["must have 3 numbers, has 2"]),
    ],
)
@pytest.mark.parametrize("key", ["weights", "packing"])
def test_a_row_that_is_not_on_the_simplex(cover, refused, key, row, words):
    refused(cover, lambda certificate: certificate[key].__setitem__(3, row), (key, 3), words)


def test_a_missing_cell(cover, refused):
    def drop(certificate):
        del certificate["weights"][7]

    def drop_and_count(certificate):
        drop(certificate)
        certificate["size"] = 47

    refused(cover, drop, ("size",), ["claims 48, but the file holds 47 vectors"])
    refused(cover, drop_and_count, ("coverage", "covered"), ["no cell holds v=["])


@pytest.mark.parametrize("key", ["epsilon", "delta"])
def test_a_smaller_tolerance_than_the_cells_need(cover, refused, key):
    refused(
        cover, lambda certificate: certificate.update({key: 0.9 * certificate[key]}), ("coverage", "covered"), ["v=["]
    )


def test_a_cover_that_admits_a_hole_contradicts_itself(cover, refused):
    def admit(certificate):
        certificate["coverage"]["uncovered_fraction"] = 0.1

    def show(certificate):
        certificate["coverage"]["counterexample"] = [1.0, 0.0, 0.0]

    refused(cover, admit, ("coverage", "uncovered_fraction"), ["must be 0 where everything is covered"])
    refused(cover, show, ("coverage", "counterexample"), ["must be null"])


def test_a_hole_that_is_covered(cover, refused):
    def deny(certificate, point):
        certificate["coverage"] = {"covered": False, "uncovered_fraction": 0.1, "counterexample": point}

    place = ("coverage", "counterexample")
    for point, words in (
        (cover["weights"][12], "in no cell, but is in one"),
        (None, "must be a preference"),
        ([0.5, 0.4, 0.0], "must sum to 1"),
    ):
        refused(cover, lambda certificate, point=point: deny(certificate, point), place, [words])
    alone = {**cover, "size": 1, "weights": [cover["weights"][12]], "coverage": dict(cover["coverage"])}
    refused(alone, lambda certificate: deny(certificate, cover["weights"][12]), place, ["in one"], [("weights", 0)])


def test_a_packing_that_proves_less(cover, refused):
    def move(certificate):
        certificate["packing"][3] = [0.0, 0.98, 0.02]

    refused(cover, move, ("packing", 3), ["w=[", "serves both"], [("packing", 1)])
    refused(cover, lambda certificate: certificate["packing"].pop(), ("lower_bound",), ["claims 4", "weight of 3"])
    refused(cover, lambda certificate: certificate.update(lower_bound=5), ("lower_bound",), ["claims 5"])
    refused(cover, lambda certificate: certificate.pop("packing"), ("lower_bound",), ["holds no packing"])
    refused(cover, lambda certificate: certificate.update(lower_bound=None), ("packing",), ["claims none"])


def test_a_weighted_packing(cover, save, refused):
    halves = {**cover, "packing_weights": [0.5, 0.5, 1.0, 1.0], "lower_bound": 3}
    assert "no cover has fewer than 3 vectors (weighted packing of 4)" in verify_file(save(halves)).proved
    refused(halves, lambda content: content.update(lower_bound=4), ("lower_bound",), ["total weight of 3"])
    refused(
        halves,
        lambda content: content.update(packing_weights=[0.5, 0.5, 1.0, 1.5]),
        ("packing_weights",),
        ["serves 1.5"],
        [("packing", 3)],
    )
    refused(
        halves, lambda content: content["packing_weights"].pop(), ("packing_weights",), ["must be 4 numbers", "are 3"]
    )


def test_portfolios_that_are_broken(portfolio_certificate, refused):
    certificate = portfolio_certificate(1, 3)
    row = next(k for k, policy in enumerate(certificate["proof"]["policies"]) if policy not in certificate["portfolio"])
    place = ("proof", "combinations", row)

    def heavier(content):
        content["proof"]["combinations"][row][0] += 0.01

    def larger(content):
        content["epsilon"] += 0.01

    refused(certificate, heavier, place, ["must sum to 1, sums to 1.01"])
    refused(certificate, larger, ("epsilon",), ["is needed"], [("worst_weights",)])


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        (lambda content: content.update(certificate="covr"), ("certificate",), ["is 'covr'", "cover, portfolio"]),
        (lambda content: content.update(certificate=["cover"]), ("certificate",), ["cover, portfolio"]),
        (lambda content: content.update(epsilon="0.4"), ("epsilon",), ["valid number", "'0.4'"]),
        (lambda content: content.update(epsilon=1.0), ("epsilon",), ["less than 1"]),
        (lambda content: content.update(delta=-0.1), ("delta",), ["greater than or equal to 0"]),
        (lambda content: content.update(size=48.0), ("size",), ["valid integer"]),
        (lambda content: content.update(size=True), ("size",), ["valid integer"]),
        (lambda content: content.update(objectives=1), ("objectives",), ["greater than or equal to 2"]),
        (lambda content: content.update(weights=[]), ("weights",), ["at least 1 item"]),
        (lambda content: content["weights"].__setitem__(4, 0.5), ("weights", 4), ["valid list"]),
        (lambda content: content["weights"][4].__setitem__(1, None), ("weights", 4, 1), ["valid number", "None"]),
        (lambda content: content["weights"][4].__setitem__(1, 10**400), ("weights", 4, 1), ["number"]),
        (lambda content: content["coverage"].update(covered=1), ("coverage", "covered"), ["valid boolean"]),
    ],
)
def test_values_of_the_wrong_kind(cover, refused, change, place, words):
    refused(cover, change, place, words)


@pytest.mark.parametrize(
    ("key", "inside"), [("weights", None), ("epsilon", None), ("coverage", None), ("covered", "coverage")]
)
def test_a_missing_key(cover, save, key, inside):
    broken = copy.deepcopy(cover)
    del (broken[inside] if inside else broken)[key]
    path = save(broken)
    lines = path.read_text().split("\n")
    around = expected_line(lines, (inside,)) if inside else 1
    place = f"{inside}.{key}" if inside else key
    with pytest.raises(VerificationError, match=rf"line {around}, {place}: field required; give a file"):
        verify_file(path)


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none(cover, save, literal):
    path = save(cover)
    lines = path.read_text().split("\n")
    number = expected_line(lines, ("weights", 5))
    lines[number - 1] = f"    [{literal}, 0.5, 0.5],"
    path.write_text("\n".join(lines))
    with pytest.raises(VerificationError, match=rf"line {number}, weights\[5\]\[0\]: input should be a finite number"):
        verify_file(path)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("", DataError, ["cannot be read as JSON"]),
        ('{"certificate": "cover",\n "size": }', DataError, ["cannot be read as JSON", "line 2"]),
        ('{"certificate": "cover", "size": 1, "size": 2}', DataError, ["key 'size' is given twice"]),
        ("[" * 100_000, DataError, ["cannot be read as JSON"]),
        ("[1, 2]", VerificationError, ["line 1", "not an object"]),
        ("{}", VerificationError, ["line 1, certificate", "is missing", "palm design --json"]),
        ('{"certificate": "portfolio"}', VerificationError, ["line 1, size: field required (and 5 more)"]),
    ],
)
def test_files_that_hold_no_certificate(tmp_path, text, error, words):
    path = tmp_path / "a.json"
    path.write_text(text)
    with one_line(error, str(path), *words) as caught:
        verify_file(path)
    assert len(str(caught.value)) < 500


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "b.json").write_bytes(b"\xff\xfe{")
    for path in (tmp_path / "none.json", tmp_path, tmp_path / "b.json"):
        with pytest.raises(DataError, match="cannot be read as JSON"):
            verify_file(path)


def test_the_form_of_the_file_does_not_matter(cover, tmp_path):
    """On one line, with other line ends, with more keys and with names beyond ASCII: the same certificate."""
    path = tmp_path / "a.json"
    for text in (
        json.dumps(cover),
        json.dumps(cover, indent=1).replace("\n", "\r\n"),
        json.dumps({"note": "😀 ε", **cover}, ensure_ascii=False),
        json.dumps({"note": "😀 ε", **cover}),
    ):
        path.write_text(text, encoding="utf-8", newline="")
        assert len(verify_file(path).proved) == 2
