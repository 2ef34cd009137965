"""Refusal of pins that the package index has withdrawn ("yanked"): pip installs them, but nobody should.

usage: python check_pins.py CONSTRAINTS STAMP

Asks the index that pip uses; if it does not answer, prints "not checked". STAMP records for a day that no pin was
withdrawn.
"""

import hashlib
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version
from requests import RequestException, Session
from requests.adapters import HTTPAdapter

INDEX = "https://pypi.org/simple"
"""pip's own default."""
SECONDS, AT_ONCE, _RETRIES, _DAY = 20, 8, 3, 86400
_JSON = "application/vnd.pypi.simple.v1+json"


def main(constraints: Path, stamp: Path) -> str | None:
    """Check every line ``name==version`` of a file; returns the error, or None and writes the stamp."""
    digest = hashlib.sha256(constraints.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest and time.time() - stamp.stat().st_mtime < _DAY:
        return None
    lines = constraints.read_text().splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    settings = pip_settings()
    index = settings.get("index-url", INDEX).rstrip("/")
    try:
        with index_session(settings) as session, ThreadPoolExecutor(AT_ONCE) as pool:
            asked = pool.map(lambda name: _withdrawn(session, index, name, pins[name]), pins)
            reasons = dict(zip(pins, asked, strict=True))
    except (RequestException, ValueError) as error:
        print(f"pins: not checked for withdrawn versions ({error})")
        return None
    if wrong := [f"{name}=={pins[name]} ({reason})" for name, reason in reasons.items() if reason is not None]:
        return f"error: {constraints}: withdrawn from the index: {', '.join(wrong)}; pin another version"
    stamp.write_text(digest)
    return None


def index_session(settings: dict[str, str]) -> Session:
    """HTTP session for the index: JSON answers, certificates of pip, retries."""
    session = Session()
    session.headers["Accept"] = _JSON
    session.verify = settings.get("cert", True)
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=AT_ONCE, max_retries=_RETRIES))
    return session


def _withdrawn(session: Session, index: str, name: str, version: str) -> str | None:
    """Why a version was withdrawn; None if it was not."""
    answer = session.get(f"{index}/{canonicalize_name(name)}/", timeout=SECONDS)
    if answer.status_code == 404:
        # Of another index, or a folder of wheels.
        return None
    answer.raise_for_status()
    for file in answer.json()["files"]:
        if file.get("yanked") and Version(version) in _versions(file["filename"]):
            return str(file["yanked"])
    return None


def _versions(filename: str) -> Iterator[Version]:
    for parse in (parse_wheel_filename, parse_sdist_filename):
        try:
            yield parse(filename)[1]
        except (InvalidWheelFilename, InvalidSdistFilename):
            continue


def pip_settings() -> dict[str, str]:
    """Settings of pip for all commands, from its files and the environment, which takes precedence."""
    told = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    settings = {}
    for line in sorted(told.stdout.splitlines(), key=lambda line: line.startswith(":env:")):
        key, _, value = line.partition("=")
        section, _, name = key.rpartition(".")
        if section in ("global", ":env:"):
            settings[name] = shlex.split(value)[0]
    return settings


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
