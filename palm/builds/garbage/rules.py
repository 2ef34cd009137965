"""Rules of garbage collection: what in a storage is needed, and why. Only listings are read, nothing is removed.

An entry is needed by the builds that marked their use of it, as long as the build is *live*: a registered version names
it, it was active lately, or it may belong to another portfolio. Files with names that palm does not give are kept.
"""

import re
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from palm.builds.launch.manifest import INPUTS
from palm.storage.inventory import StoredFile, UnfinishedUpload
from palm.storage.manifest import MANIFEST
from palm.storage.s3_probe import PROBE

_ENTRY = r"(?:policy|evaluation|responses|embeddings|rollouts|base-model|design)-[0-9a-f]{12}"
_ENDING = r"(?:[a-z0-9_]{8}|removed-\d+-\d+)"
_TEMPORARY = re.compile(rf"\.(?:{_ENTRY}|step-\d+|request|result)\.{_ENDING}")
"""Leftover at the root of a process that was killed while it published or removed."""
_INNER_TEMPORARY = re.compile(rf"\..+\.{_ENDING}")
"""The same in a folder where only palm writes."""

_PLACES = {
    "entry": re.compile(_ENTRY),
    "checkpoints": re.compile(r"checkpoints/policy-[0-9a-f]{12}"),
    "train job input": re.compile(rf"{INPUTS}/{_ENTRY}"),
    "build": re.compile(r"builds/[^/]+"),
}
_TEMPORARY_SECONDS, _DAY = 86400, 86400


@dataclass
class Build:
    """A build that has records in the storage.

    Attributes:
        owner: as `palm.builds.records.owner`, and ``name``; None if an older palm made it, which did not record that.
        active: newest record, seconds since 1970.
        uses: key of an entry to when the build marked its use.
    """

    name: str
    owner: dict | None
    active: float = 0.0
    uses: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Uses:
    """What builds use: reasons of live builds by name, users by key of an entry, and the unmarked build.

    Builds of an older palm did not mark their uses: each may have used any entry of its time. ``unmarked`` is the one
    that was active last.
    """

    live: dict[str, str]
    users: dict[str, list[Build]]
    unmarked: Build | None


@dataclass(frozen=True)
class Decision:
    """Decision about an entry, a build, checkpoints or leftovers.

    Attributes:
        name: its path, relative to the root.
        size: bytes.
        upload: S3's id of a multipart upload that was not completed; else empty.
    """

    kind: str
    name: str
    size: int
    removed: bool
    reason: str
    upload: str = ""


@dataclass(frozen=True)
class Rules:
    """The rules for one portfolio.

    Attributes:
        registered: build to a version that names it.
        owner: as `palm.builds.records.owner`.
        days: age from which unneeded files are removed.
        now: seconds since 1970.
    """

    registered: dict[str, str]
    owner: dict[str, str]
    days: float
    now: float = field(default_factory=time.time)

    def judge(self, files: Iterable[StoredFile], builds: dict[str, Build]) -> list[Decision]:
        """Decide about listed files: one decision for each entry, build and so on, in the order of their names.

        The files are all of the storage, or all below some of the folders that palm makes; the builds are all, by name.
        """
        groups = defaultdict(list)
        for file in files:
            groups[place_of(file.name)].append(file)
        uses = self._uses(builds)
        decisions = []
        for (kind, name), group in sorted(groups.items()):
            reason, removed = self._decide(kind, name, group, uses)
            shown = name.rpartition("-")[0] if kind == "entry" else kind
            decisions.append(Decision(shown, name, sum(file.size for file in group), removed, reason))
        return decisions

    def judge_upload(self, upload: UnfinishedUpload) -> Decision:
        """Decide about a multipart upload that was not completed."""
        kind, _ = place_of(upload.name)
        removed = (kind in _PLACES or kind == "temporary") and upload.begun < self._limit
        reason = f"begun {self._days_ago(upload.begun)} and never completed" if removed else "may be in progress"
        return Decision("unfinished upload", upload.name, 0, removed, reason, upload.upload)

    @property
    def _limit(self) -> float:
        return self.now - self.days * _DAY

    def _alive(self, build: Build) -> str:
        """Why a build is live; empty if it is not."""
        if build.owner is None:
            return "is of an older palm, which recorded no owner"
        if {key: build.owner.get(key) for key in self.owner} != self.owner:
            return f"is of another registered model, {build.owner.get('model')}"
        if build.name in self.registered:
            return f"is registered as version {self.registered[build.name]}"
        return f"was active {self._days_ago(build.active)}" if build.active >= self._limit else ""

    def _uses(self, builds: dict[str, Build]) -> _Uses:
        live = {name: reason for name, build in builds.items() if (reason := self._alive(build))}
        users = defaultdict(list)
        for build in builds.values():
            for key in build.uses:
                users[key].append(build)
        unmarked = [build for build in builds.values() if build.owner is None and not build.uses]
        return _Uses(live, users, max(unmarked, key=lambda build: build.active, default=None))

    def _decide(self, kind: str, name: str, files: list[StoredFile], uses: _Uses) -> tuple[str, bool]:
        newest = max(file.modified for file in files)
        if kind == "temporary":
            return f"left {self._days_ago(newest)} by a process that was killed", newest < self.now - _TEMPORARY_SECONDS
        if kind == "build":
            build = name.partition("/")[2]
            reason = uses.live.get(build) or f"not registered, last active {self._days_ago(newest)}"
            return reason, build not in uses.live and newest < self._limit
        if kind == "entry":
            made = next((file.modified for file in files if file.name == f"{name}/{MANIFEST}"), None)
            return self._decide_entry(name, newest, made, uses)
        if kind in _PLACES:
            key = name.removeprefix("checkpoints/")
            last = max([newest, *(build.uses[key] for build in uses.users.get(key, ()))])
            return f"last written or used {self._days_ago(last)}", last < self._limit
        return "never removed", False

    def _decide_entry(self, name: str, newest: float, made: float | None, uses: _Uses) -> tuple[str, bool]:
        if made is None:
            return f"incomplete, last written {self._days_ago(newest)}", newest < self._limit
        users = uses.users.get(name, ())
        for build in users:
            if build.name in uses.live:
                return f"build {build.name} uses it, which {uses.live[build.name]}", False
        unmarked = uses.unmarked
        if unmarked is not None and unmarked.active >= made:
            return f"build {unmarked.name} may use it, which {uses.live[unmarked.name]}", False
        who = "only builds that are gone from the registry use it" if users else "no build uses it"
        return f"{who}, made {self._days_ago(made)}", made < self._limit

    def _days_ago(self, moment: float) -> str:
        return f"{max(0.0, self.now - moment) / _DAY:.1f} days ago"


def place_of(name: str) -> tuple[str, str]:
    """Kind and path of the unit, kept or removed as a whole, that a file belongs to; paths are relative to the root.

    Kinds are ``entry``, ``checkpoints``, ``train job input``, ``build``, ``temporary``, ``inputs`` and ``other``.
    """
    parts = name.rstrip("/").split("/")
    if parts[0] == PROBE:
        return "temporary", name
    inner = parts[1:] if parts[0] in ("checkpoints", INPUTS, "builds") else []
    hidden = next((part for part in inner if _INNER_TEMPORARY.fullmatch(part)), None)
    if _TEMPORARY.fullmatch(parts[0]):
        return "temporary", parts[0]
    if hidden is not None:
        return "temporary", "/".join(parts[: parts.index(hidden) + 1])
    for kind, pattern in _PLACES.items():
        found = pattern.match(name)
        if found and name.startswith("/", found.end()):
            return kind, found[0]
    return ("inputs" if parts[0] == "inputs" else "other"), parts[0]
