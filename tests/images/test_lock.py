"""Lock files: complete, within pyproject.toml, and checked by pip."""

import hashlib
import re
import sys
import tomllib

import pytest
from images.conftest import ROOT
from images.test_torch_choice import PLAIN, run, write_wheel
from packaging.requirements import Requirement

sys.path.append(str(ROOT / "requirements"))
import lock

PINS = lock.read_pins(ROOT / "constraints.txt")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_committed_files_agree():
    assert lock.check(PINS, PROJECT) == []


@pytest.mark.parametrize("name", ["tools", "torch-cpu", "torch-cuda", *lock.LAYERS])
def test_every_requirement_has_hashes_and_no_address(name):
    text = (ROOT / "requirements" / f"{name}.lock").read_text()
    entries = re.split(r"\n(?=\S)", text.strip())[1:]
    assert entries and all(
        re.fullmatch(r"\S+={2,3}\S+[^\\]*( \\\n    --hash=sha256:\w{64})+", entry) for entry in entries
    )
    assert "://" not in text and "file:" not in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"numpy": "1.0"}, "differ from constraints.txt"),
        ({"new-package": "1.0"}, "new-package are in no lock file"),
    ],
)
def test_a_pin_that_is_not_locked_is_found(change, message):
    assert any(message in problem for problem in lock.check(PINS | change, PROJECT))


@pytest.mark.parametrize("wanted", ["numpy>=99", "not-pinned>=1", "pytest>=8"])
def test_a_dependency_that_is_not_locked_is_found(wanted):
    problems = lock.check(PINS, PROJECT | {"dependencies": [wanted]})
    assert len(problems) >= 1 and all(wanted in problem for problem in problems)


def test_a_closure_follows_extras_and_markers():
    def item(*requires: str) -> dict:
        return {"metadata": {"requires_dist": list(requires)}}

    installed = {
        "a": item("b; extra == 'x'", "c; extra == 'y'", "d; python_version < '3'", "e[z]"),
        "b": item("a[y]"),
        "c": item(),
        "e": item("f; extra == 'z'"),
        "f": item(),
    }
    assert lock.closure(installed, Requirement("a")) == {"a", "e", "f"}
    assert lock.closure(installed, Requirement("a[x]")) == {"a", "b", "c", "e", "f"}


def test_hashes_are_those_of_files_for_supported_machines():
    ends = ["-cp311-cp311-manylinux_2_28_x86_64.whl", "-cp311-cp311-win_amd64.whl", ".tar.gz"]
    ends += ["-cp39-abi3-macosx_11_0_arm64.whl", "-cp310-cp310-manylinux_2_28_x86_64.whl"]
    names = [*(f"one-1.0{end}" for end in ends), "one-2.0-py3-none-any.whl"]
    files = [{"filename": name, "hashes": {"sha256": str(number)}} for number, name in enumerate(names)]
    assert lock.file_hashes(files, "1.0") == ["0", "3"]
    assert lock.file_hashes([{"filename": "one-1.0.tar.gz", "hashes": {"sha256": "9"}}], "1.0") == ["9"]


@pytest.mark.parametrize("flipped", [False, True])
def test_pip_refuses_a_file_with_another_hash(tmp_path, flipped):
    wheel = write_wheel(tmp_path, "9.9")
    digest = hashlib.sha256(wheel.read_bytes() + b"x" * flipped).hexdigest()
    (tmp_path / "some.lock").write_text(lock.entry("torch===9.9", [digest]))
    wanted = ("--require-hashes", "--no-deps", "--no-index", "--find-links", tmp_path, "--requirement", "some.lock")
    command = (sys.executable, "-m", "pip", "install", "--target", tmp_path / "target", *wanted)
    done = run(*command, folder=tmp_path, **PLAIN)
    assert (done.returncode != 0) is flipped and ("HASHES" in done.stderr) is flipped, done.stderr
