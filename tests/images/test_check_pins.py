"""Check of withdrawn pins, against an index of this machine."""

import os
import sys

import pytest
from images.conftest import ROOT
from images.test_torch_choice import run as run_command

PINS = "# comment\nnumpy==2.4.0\nmy_package==1.0\n"


@pytest.fixture
def check(tmp_path, index):
    def run(pins: str = PINS, uri: str = index.uri) -> tuple[int, str]:
        (tmp_path / "constraints.txt").write_text(pins)
        command = [sys.executable, ROOT / "requirements" / "check_pins.py", "constraints.txt", "stamp"]
        done = run_command(*command, folder=tmp_path, PIP_INDEX_URL=uri, PIP_CONFIG_FILE=os.devnull)
        return done.returncode, done.stdout + done.stderr

    index.files = {
        "numpy": {
            "numpy-2.4.0-cp311-cp311-manylinux_2_28_x86_64.whl": "Backward compatibility bug",
            "numpy-2.4.0.tar.gz": "Backward compatibility bug",
            "numpy-2.4.1-cp311-cp311-manylinux_2_28_x86_64.whl": None,
        },
        "my-package": {"my_package-1.0.tar.gz": None, "my_package-1.0.exe": "of another time"},
    }
    return run


def test_a_withdrawn_pin_is_refused_with_its_reason(check, tmp_path):
    why = "numpy==2.4.0 (Backward compatibility bug)"
    assert check() == (1, f"error: constraints.txt: withdrawn from the index: {why}; pin another version\n")
    assert not (tmp_path / "stamp").exists()


def test_another_version_may_be_withdrawn(check):
    assert check(PINS.replace("2.4.0", "2.4.1")) == (0, "")


def test_a_whole_file_is_asked_for_once_a_day(check, index, tmp_path):
    good = PINS.replace("2.4.0", "2.4.1")
    assert check(good) == check(good) == (0, "")
    assert sorted(index.asked) == ["/simple/my-package/", "/simple/numpy/"]
    assert check() != (0, ""), "other pins are asked for at once"
    check(good)
    before = len(index.asked)
    os.utime(tmp_path / "stamp", (0, 0))
    check(good)
    assert len(index.asked) == before + 2


def test_what_the_index_does_not_have_is_of_elsewhere(check, index):
    del index.files["my-package"]
    assert check(PINS.replace("2.4.0", "2.4.1")) == (0, "")


@pytest.mark.parametrize("speaks", [True, False], ids=["no index", "no JSON"])
def test_without_an_answer_it_is_not_checked_and_nothing_stops(check, index, tmp_path, speaks):
    index.speaks_json = speaks
    code, said = check(uri="http://127.0.0.1:9/simple" if speaks else index.uri)
    assert code == 0 and said.startswith("pins: not checked for withdrawn versions (") and said.count("\n") == 1
    assert not (tmp_path / "stamp").exists()
