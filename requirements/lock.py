"""Lock files: every distribution with the sha256 of its files, as `pip install --require-hashes` takes them.

usage: python requirements/lock.py          resolve pyproject.toml within constraints.txt, write the lock files
       python requirements/lock.py --check  check offline that pyproject.toml, constraints.txt and lock files agree

Requirements are resolved for the Python and the machine that run this script; the CPU build of torch has the hash of
its wheel alone. Each file adds to the one before: tools (pip, setuptools), torch-cpu or torch-cuda, all (the extra
`all`), dev, bench.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from check_pins import AT_ONCE, INDEX, SECONDS, index_session, pip_settings
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent
TOOLS = ("pip", "setuptools")
LAYERS = ("all", "dev", "bench")
_CUDA = ("nvidia-", "cuda-", "triton")
_PYTHONS = re.compile(r"py3|py2\.py3|cp3(11|12|13)|abi3")
_PLATFORMS = re.compile(r"any|manylinux.*_(x86_64|aarch64)|macosx_.*_(arm64|universal2)")


def main() -> str | None:
    """Write or check the lock files; returns what is wrong."""
    pins = read_pins(ROOT / "constraints.txt")
    if "--check" in sys.argv[1:]:
        problems = check(pins, tomllib.loads((ROOT / "pyproject.toml").read_text())["project"])
        return f"error: {'; '.join(problems)}; run `make lock`" if problems else None
    write(pins)
    return None


def read_pins(path: Path) -> dict[str, str]:
    """The versions in a constraints or lock file, by normalised name."""
    found = re.findall(r"^([\w.-]+)={2,3}([^\s;\\]+)", path.read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def check(pins: dict[str, str], project: dict) -> list[str]:
    """Problems: a requirement without a pin, a pin outside its range, a lock that differs from the pins."""
    problems = []
    locked = {path.stem: read_pins(path) for path in sorted(FOLDER.glob("*.lock"))}
    for name, lock in locked.items():
        wrong = [f"{key}=={version}" for key, version in lock.items() if pins.get(key) != version.partition("+")[0]]
        problems += [f"{name}.lock: {', '.join(wrong)} differ from constraints.txt"] if wrong else []
    everything = {key for lock in locked.values() for key in lock}
    if missing := sorted(set(pins) - everything):
        problems.append(f"constraints.txt: {', '.join(missing)} are in no lock file")
    for extra, texts in {"": project["dependencies"], **project["optional-dependencies"]}.items():
        for wanted in map(Requirement, texts):
            name = canonicalize_name(wanted.name)
            if name == project["name"]:
                continue
            if name not in pins or not wanted.specifier.contains(pins[name], prereleases=True):
                problems.append(f"pyproject.toml: {wanted} is not met by constraints.txt")
            layers = ["all", "torch-cpu"] + [layer for layer in ("dev", "bench") if extra in (layer, "bench")]
            if not any(name in locked.get(layer, {}) for layer in layers):
                problems.append(f"pyproject.toml: {wanted} of [{extra}] is in none of {', '.join(layers)}")
    return problems


def write(pins: dict[str, str]) -> None:
    """Resolve every layer and write its file."""
    settings = pip_settings()
    index = settings.get("index-url", INDEX).rstrip("/")
    session = index_session(settings)

    def hashes(name: str) -> list[str]:
        answer = session.get(f"{index}/{name}/", timeout=SECONDS)
        answer.raise_for_status()
        return file_hashes(answer.json()["files"], pins[name])

    def entries(names: Iterable[str], version: str = "{name}=={version}", marker: str = "") -> list[str]:
        names = sorted(names)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = list(pool.map(hashes, names))
        return [
            entry(version.format(name=name, version=pins[name]) + marker, digests)
            for name, digests in zip(names, found, strict=True)
        ]

    installed = {canonicalize_name(item["metadata"]["name"]): item for item in resolve(f".[{','.join(LAYERS)}]")}
    cpu = resolve(f"torch=={pins['torch']}+cpu", "--no-deps")[0]["download_info"]["archive_info"]["hashes"]["sha256"]
    cuda = {name for name in pins if name.startswith(_CUDA)}
    layers = {
        "tools": entries(TOOLS),
        "torch-cpu": [entry(f"torch=={pins['torch']}+cpu", [cpu])],
        "torch-cuda": entries(["torch"], "{name}==={version}") + entries(cuda, marker="; sys_platform == 'linux'"),
    }
    done = {"palm-portfolio", "torch", *TOOLS, *cuda}
    for layer in LAYERS:
        names = closure(installed, Requirement(f"palm-portfolio[{layer}]"))
        layers[layer] = entries(names - done)
        done |= names
    for name, lines in layers.items():
        (FOLDER / f"{name}.lock").write_text(f"# Made by `make lock` from constraints.txt.\n{''.join(lines)}")


def resolve(wanted: str, *options: str) -> list[dict]:
    """What pip would install, as in its report."""
    arguments = ["install", "--dry-run", "--ignore-installed", "--quiet", "--constraint", "constraints.txt", *options]
    command = [sys.executable, "-m", "pip", *arguments, "--report", "-", wanted]
    report = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    return json.loads(report)["install"]


def closure(installed: dict[str, dict], wanted: Requirement) -> set[str]:
    """Names of everything that a requirement brings."""
    found, left = set(), [wanted]
    while left:
        requirement = left.pop()
        name = canonicalize_name(requirement.name)
        for extra in {"", *requirement.extras} - {extra for known, extra in found if known == name}:
            found.add((name, extra))
            needed = map(Requirement, installed[name]["metadata"].get("requires_dist", []))
            left += [other for other in needed if other.marker is None or other.marker.evaluate({"extra": extra})]
    return {name for name, _ in found}


def file_hashes(files: list[dict], version: str) -> list[str]:
    """sha256 of the wheels of a version for Linux and macOS; of its source if there is no wheel for every platform."""
    wheels, sources = [], []
    for file in files:
        name, digest = file["filename"], file["hashes"].get("sha256")
        try:
            if name.endswith(".whl"):
                _, found, _, tags = parse_wheel_filename(name)
                fits = any(
                    _PLATFORMS.fullmatch(tag.platform) and (_PYTHONS.fullmatch(tag.interpreter) or tag.abi == "abi3")
                    for tag in tags
                )
                wheels += [digest] if str(found) == version and fits else []
            elif name.endswith(".tar.gz"):
                sources += [digest] if str(parse_sdist_filename(name)[1]) == version else []
        except ValueError:
            continue
    return sorted(wheels or sources)


def entry(requirement: str, digests: list[str]) -> str:
    """One requirement and its hashes."""
    if not digests:
        raise SystemExit(f"error: {requirement}: the index gives no file with a sha256; pin another version")
    return " \\\n".join([requirement, *(f"    --hash=sha256:{digest}" for digest in digests)]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
