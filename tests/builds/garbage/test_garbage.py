"""Garbage collection in a folder and in S3, with versions in a real MLflow."""

import json
import os
import random
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

import mlflow
import pytest
from support.s3_proxy import s3_proxy
from support.workspace import edit_config
from typer.testing import CliRunner

from palm.builds.garbage import collect
from palm.builds.garbage.collect import _carry_out, collect_garbage
from palm.builds.garbage.rules import Rules
from palm.builds.records import BUILD_VARIABLE, mark_use, owner, record_owner, recorded
from palm.builds.reuse import reuse_or_make
from palm.cli.main import app
from palm.config.load import load_config
from palm.errors import DamagedError, RegistryError
from palm.registry.runs import build_tag
from palm.storage.inventory import UnfinishedUpload
from palm.storage.records import Records
from palm.storage.s3_client import s3_client
from palm.storage.store import Store

DAY = 86400.0
KINDS = ("policy", "evaluation", "responses", "embeddings", "rollouts", "base-model", "design")


@pytest.fixture(params=["folder", "s3"])
def cleaned(request, workspace):
    if request.param == "s3":
        request.getfixturevalue("s3")
        edit_config(workspace, storage__root="s3://palm/team/store")
    return load_config(workspace / "portfolio.yaml")


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "weights").write_bytes(b"w" * 1000)
    (folder / "policy.json").write_text("{}")
    return folder


def register(config, *builds: str) -> str:
    client = mlflow.MlflowClient(config.registry.tracking_uri, config.registry.tracking_uri)
    if not client.search_registered_models(f"name = '{config.registry.model}'"):
        client.create_registered_model(config.registry.model)
    tags = {build_tag(build): "true" for build in builds}
    return client.create_model_version(config.registry.model, "file:///nowhere", tags=tags).version


def entry(number: int, kind: str = "policy") -> str:
    return f"{kind}-{number:012x}"


def names(root: str) -> set[str]:
    """Names of all files, read without the code under test."""
    if not root.startswith("s3://"):
        return {path.relative_to(root).as_posix() for path in Path(root).rglob("*") if not path.is_dir()}
    pages = s3_client().get_paginator("list_objects_v2").paginate(Bucket="palm", Prefix="team/store/")
    return {item["Key"].removeprefix("team/store/") for page in pages for item in page.get("Contents", [])}


def tops(root: str, depth: int = 1) -> set[str]:
    return {"/".join(name.split("/")[:depth]) for name in names(root)}


@dataclass
class Scene:
    """A storage in which everything made before `later` is old and everything after it is new."""

    config: object
    work: Path
    started: float = field(default_factory=time.time)
    limit: float = 0.0

    @property
    def root(self) -> str:
        return self.config.storage.root

    @property
    def days(self) -> float:
        """Value of `--days` that separates the old from the new."""
        return (time.time() - self.limit) / DAY

    def build(self, name: str, *uses: str, other: str | None = None, unowned: bool = False) -> None:
        records = Records(self.root)
        if not unowned:
            record = {"name": "small", **owner(self.config.registry)}
            records.write(f"builds/{name}/build", {**record, "model": other} if other else record)
        records.write(f"builds/{name}/tasks/detect_change-0", {"started": time.time()})
        for key in uses:
            records.write(f"builds/{name}/uses/{key}", {"at": time.time()})

    def write(self, name: str, text: str = "x") -> None:
        """Write a file with a name that palm does not use."""
        if self.root.startswith("s3://"):
            s3_client().put_object(Bucket="palm", Key=f"team/store/{name}", Body=text.encode())
            return
        (Path(self.root) / name).parent.mkdir(parents=True, exist_ok=True)
        (Path(self.root) / name).write_text(text)

    def entry(self, key: str) -> None:
        assert Store(self.root).publish(key, self.work)

    def later(self) -> None:
        """Let time pass: S3 has whole seconds, files can be made older."""
        if self.root.startswith("s3://"):
            time.sleep(1.1)
            self.limit = int(time.time()) - 0.5
            return
        self.limit = time.time() - 5 * DAY
        for path in Path(self.root).rglob("*"):
            os.utime(path, (self.limit - 5 * DAY,) * 2)

    def collect(self, **options) -> set[str]:
        verdicts = collect_garbage(self.config, days=self.days, **options)
        return {verdict.name for verdict in verdicts if verdict.removed}


@pytest.fixture
def scene(cleaned, work):
    return Scene(cleaned, work)


def test_what_a_live_build_uses_is_kept_and_the_rest_goes(scene):
    for number in range(8):
        scene.entry(entry(number))
    scene.build("registered", entry(0))
    scene.build("also-registered", entry(1))
    scene.build("dead", entry(0), entry(2))
    scene.build("of-another", entry(3), other="other-model")
    scene.build("unknown", entry(4), unowned=True)
    scene.later()
    scene.build("recent", entry(5))
    scene.entry(entry(9))
    register(scene.config, "registered")
    register(scene.config, "no-folder", "also-registered")
    gone = {entry(2), entry(6), entry(7), "builds/dead"}
    before = names(scene.root)
    assert scene.collect(dry_run=True) == gone and names(scene.root) == before
    assert scene.collect() == gone
    assert {name for name in tops(scene.root) if name.startswith("policy")} == {entry(n) for n in (0, 1, 3, 4, 5, 9)}
    assert tops(scene.root, 2) & {"builds/dead", "builds/recent"} == {"builds/recent"}
    after = names(scene.root)
    assert scene.collect() == set() and names(scene.root) == after
    for number in (0, 1, 3, 4, 5, 9):
        assert Store(scene.root).fetch(entry(number), scene.work.parent / f"out-{number}")


def test_an_old_build_that_recorded_no_uses_keeps_what_it_may_have_used(scene):
    scene.entry(entry(0))
    scene.build("of-an-older-palm", unowned=True)
    scene.later()
    assert scene.collect() == set()
    Store(scene.root).remove("builds/of-an-older-palm")
    assert scene.collect() == {entry(0)}


def test_leftovers_go_when_they_are_old(scene, tmp_path):
    store = Store(scene.root)
    for policy in (entry(0), entry(1), entry(2)):
        scene.entry(f"checkpoints/{policy}/rloo/step-00000010")
    for number in (3, 4):
        scene.entry(f"train-job-inputs/{entry(number, 'rollouts')}")
    scene.entry(entry(5))
    half = f"{entry(5)}/manifest.json"
    if scene.root.startswith("s3://"):
        s3_client().delete_object(Bucket="palm", Key=f"team/store/{half}")
        upload = {"Bucket": "palm", "Key": f"team/store/{entry(6)}/sha256-0"}
        s3_client().create_multipart_upload(**upload)
        s3_client().create_multipart_upload(Bucket="palm", Key="team/store/inputs/x/big")
    else:
        (Path(scene.root) / half).unlink()
    scene.later()
    scene.entry(f"checkpoints/{entry(1)}/rloo/step-00000020")
    scene.build("recent", entry(2), f"train-job-inputs/{entry(4, 'rollouts')}")
    gone = {f"checkpoints/{entry(0)}", f"train-job-inputs/{entry(3, 'rollouts')}", entry(5)}
    if scene.root.startswith("s3://"):
        gone.add(f"{entry(6)}/sha256-0")
    assert scene.collect() == gone
    assert store.entries(f"checkpoints/{entry(1)}/rloo") == ["step-00000010", "step-00000020"]
    assert store.entries(f"checkpoints/{entry(2)}/rloo") == ["step-00000010"]
    assert store.entries("train-job-inputs") == [entry(4, "rollouts")]
    if scene.root.startswith("s3://"):
        left = s3_client().list_multipart_uploads(Bucket="palm")["Uploads"]
        assert [item["Key"] for item in left] == ["team/store/inputs/x/big"]


def test_what_palm_does_not_name_is_never_touched(scene):
    kept = (
        "inputs/0123/train.jsonl", "inputs/.policy-000000000000.abcdefgh/x", "notes.txt", "policy-mine/manifest.json",
        "policy-00000000000g/manifest.json", "checkpoints/mine/x", "checkpoints/readme", "builds/loose.json",
        ".git.abcdefgh/config", "team/policy-000000000000/manifest.json", "policy-0000000000000/x", ".hidden/x",
    )  # fmt: skip
    for name in kept:
        scene.write(name)
    Records(scene.root).write("inputs/y", {})
    scene.later()
    before = names(scene.root)
    assert scene.collect() == set() and names(scene.root) == before


def test_temporary_folders_of_killed_processes_go_after_a_day(config, work):
    root = Path(config.storage.root)
    leftovers = (
        f".{entry(0)}.a1b2c3_d", f".{entry(1)}.removed-12-34", f"checkpoints/.{entry(2)}.removed-1-2",
        f"checkpoints/{entry(3)}/rloo/.step-00000010.removed-1-2", f".{entry(4)}.emptyone",
    )  # fmt: skip
    for name in leftovers:
        (root / name).mkdir(parents=True)
        if "empty" not in name:
            (root / name / "file").write_text("x")
    Records(str(root)).write("builds/b/tasks/t", {})
    (root / "builds/b/tasks/.t.json.abcdefgh").write_text("half")
    found = {*leftovers, "builds/b/tasks/.t.json.abcdefgh"}
    assert not [verdict for verdict in collect_garbage(config, days=7) if verdict.removed]
    for path in root.rglob("*"):
        os.utime(path, (time.time() - 1.5 * DAY,) * 2)
    assert {verdict.name for verdict in collect_garbage(config, days=7) if verdict.removed} == found
    assert names(str(root)) == {"builds/b/tasks/t.json"}


def test_a_build_marks_what_it_uses_before_it_looks_for_it(cleaned, tmp_path, monkeypatch):
    monkeypatch.setenv(BUILD_VARIABLE, "run-1")
    seen, store = [], cleaned.storage.root
    with recorded(store, "design_grid"):
        record_owner(cleaned)
        reuse_or_make(Store(store), "design", {"a": 1}, tmp_path / "d", lambda folder: seen.extend(names(store)))
    (mark,) = [name for name in seen if "/uses/" in name]
    assert mark.startswith("builds/run-1/uses/design-") and not [name for name in seen if name.startswith("design-")]
    assert Records(store).read("builds/run-1/build")["model"] == "small"


def test_credentials_of_mlflow_are_not_written_down(config, monkeypatch):
    monkeypatch.setenv(BUILD_VARIABLE, "run-1")
    registry = config.registry.model_copy(update={"tracking_uri": "https://user:geheim@mlflow.example.com"})
    record_owner(config.model_copy(update={"registry": registry}))
    text = (Path(config.storage.root) / "builds/run-1/build.json").read_text()
    assert "geheim" not in text and "mlflow.example.com" in text


def test_a_mark_that_comes_between_judging_and_removing_is_seen(config, work):
    scene = Scene(config, work)
    for number in range(2):
        scene.entry(entry(number))
    scene.later()
    verdicts = collect_garbage(config, days=scene.days, dry_run=True)
    assert [verdict.removed for verdict in verdicts] == [True, True]
    scene.build("just-started", entry(0))
    rules = Rules({}, owner(config.registry), scene.days)
    done = list(_carry_out(verdicts, scene.root, rules, {}))
    assert [verdict.removed for verdict in done] == [False, True] and "just-started" in done[0].reason
    assert Store(scene.root).fetch(entry(0), work.parent / "out")


def test_a_mark_that_comes_while_much_is_removed_is_seen(config, work, monkeypatch):
    monkeypatch.setattr(collect, "_SECONDS", 0.0)
    scene = Scene(config, work)
    for number in range(10):
        scene.entry(entry(number))
    scene.later()
    decisions = collect_garbage(config, days=scene.days, dry_run=True)
    done = _carry_out(decisions, scene.root, Rules({}, owner(config.registry), scene.days), {})
    assert next(done).removed
    scene.build("just-started", entry(9))
    assert [decision.removed for decision in done] == [True] * 8 + [False]
    assert Store(scene.root).has(entry(9))


def test_builds_are_listed_once_for_many_removals(workspace, work, s3, s3_server, monkeypatch):
    monkeypatch.setattr(collect, "_SECONDS", 600.0)
    edit_config(workspace, storage__root="s3://palm/team/store")
    scene = Scene(load_config(workspace / "portfolio.yaml"), work)
    for number in range(70):
        scene.entry(entry(number))
    scene.build("dead", entry(0))
    scene.later()
    with s3_proxy(s3_server) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.address)
        assert len(scene.collect()) == 71
    listed = [
        request for request in proxy.requests if re.search(r"list-type=2.*prefix=team%2Fstore%2Fbuilds%2F&", request)
    ]
    assert len(listed) == 2


def test_a_registry_that_lost_its_versions_is_not_one_without_any(scene):
    """The server's database may have been lost, or another server may answer."""
    scene.entry(entry(0))
    scene.build("built", entry(0))
    scene.build("too", entry(0))
    scene.entry(entry(1))
    scene.build("of-another", entry(1), other="other-model")
    record = {"step": "register_portfolio", "state": "succeeded", "started": 0.0}
    for build in ("built", "too", "of-another"):
        Records(scene.root).write(f"builds/{build}/tasks/register_portfolio-0", record)
    scene.later()
    before = names(scene.root)
    for dry_run in (True, False):
        with pytest.raises(RegistryError, match="has no version at .*build built has registered one") as refused:
            scene.collect(dry_run=dry_run)
    assert names(scene.root) == before
    register(scene.config, "another")
    assert scene.collect(dry_run=True) == {entry(0), "builds/built", "builds/too"}
    # The remedy is about this model's builds alone.
    folders = re.findall(rf"{scene.root}/(builds/\S+?)(?:,|$)", str(refused.value))
    assert folders == ["builds/built", "builds/too"]
    for folder in folders:
        Store(scene.root).remove(folder)
    assert scene.collect() == {entry(0)} and Store(scene.root).has(entry(1))


def test_nothing_is_removed_when_it_is_not_known_what_is_needed(scene):
    scene.entry(entry(0))
    scene.later()
    before = names(scene.root)
    database = Path(scene.config.registry.tracking_uri.removeprefix("sqlite:///"))
    content = database.read_bytes()
    database.unlink()
    with pytest.raises(RegistryError, match="does not exist, so it is unknown what is registered"):
        scene.collect()
    assert not database.exists()
    database.write_bytes(b"not a database" * 100)
    with pytest.raises(RegistryError, match="MLflow failed"):
        scene.collect()
    database.write_bytes(content)
    scene.build("torn")
    scene.write("builds/torn/build.json", "{")
    with pytest.raises(DamagedError, match=r"builds/torn/build\.json"):
        scene.collect()
    assert before <= names(scene.root)


def test_the_command_names_entries_and_reasons(config, work):
    scene = Scene(config, work)
    scene.entry(entry(0))
    scene.later()
    scene.entry(entry(1))
    path = Path(config.storage.root).parent / "portfolio.yaml"
    runner = CliRunner()
    shown = runner.invoke(app, ["gc", str(path), "--dry-run", "--days", "7"], env={"COLUMNS": "120"})
    assert shown.exit_code == 0, shown.output
    assert re.search(rf"would be removed: {entry(0)} \(1\.\d kB\): no build uses it, made 10\.0 days ago", shown.output)
    assert f"kept: {entry(1)}" in shown.output and Store(scene.root).entries("") == [entry(0), entry(1)]
    listed = runner.invoke(app, ["gc", str(path), "--json"]).stdout
    assert {item["name"]: item["removed"] for item in json.loads(listed)} == {entry(0): True, entry(1): False}
    assert Store(scene.root).entries("") == [entry(1)]
    edit_config(path.parent, registry__tracking_uri="sqlite:////nowhere/else.db")
    refused = runner.invoke(app, ["gc", str(path)])
    assert refused.exit_code == 1 and "does not exist" in refused.output


def random_scene(scene: Scene, seed: int) -> tuple[set[str], set[str]]:
    """Fill a storage at random; returns the entries that must stay and those that must go."""
    rng = random.Random(seed)
    entries = [entry(number, rng.choice(KINDS)) for number in range(24)]
    builds = [f"build-{number}" for number in range(10)]
    uses = {build: set(rng.sample(entries, rng.randrange(6))) for build in builds}
    kinds = {build: rng.choice(["registered", "several", "dead", "recent", "other", "unknown"]) for build in builds}
    for build in builds:
        if kinds[build] == "unknown":
            uses[build] = uses[build] or {entries[0]}
    new = set(rng.sample(entries, 8))

    def fill(keys: set[str], recent: bool) -> None:
        for key in keys:
            scene.entry(key)
        for build in builds:
            if (kinds[build] == "recent") == recent:
                other = "other" if kinds[build] == "other" else None
                scene.build(build, *uses[build], other=other, unowned=kinds[build] == "unknown")

    fill(set(entries) - new, recent=False)
    scene.later()
    fill(new, recent=True)
    for build in builds:
        if kinds[build] == "registered":
            register(scene.config, build)
    register(scene.config, *[build for build in builds if kinds[build] == "several"])
    needed = set().union(*(uses[build] for build in builds if kinds[build] != "dead"), new)
    return needed, set(entries) - needed


@pytest.mark.parametrize("cleaned, seed", [*(("folder", seed) for seed in range(6)), ("s3", 6)], indirect=["cleaned"])
def test_never_what_is_needed_and_always_what_is_not(scene, seed):
    needed, unneeded = random_scene(scene, seed)
    removed = scene.collect()
    assert {key for key in removed if not key.startswith("builds/")} == unneeded
    kept = {name for name in tops(scene.root) if name.partition("-")[0] in {k.partition("-")[0] for k in KINDS}}
    assert kept == needed
    after = names(scene.root)
    assert scene.collect() == set() and names(scene.root) == after
    for key in needed:
        assert Store(scene.root).fetch(key, scene.work.parent / "out" / key)


def test_marks_outside_of_a_build_are_not_made(config, monkeypatch):
    monkeypatch.delenv(BUILD_VARIABLE, raising=False)
    mark_use(config.storage.root, entry(0))
    record_owner(config)
    assert not Path(config.storage.root).exists()


def test_an_upload_in_parts_that_may_be_going_on_is_kept():
    """S3 stand-ins do not report when one began, so this tests the rules alone."""
    rules = Rules({}, {}, 7, now=100 * DAY)
    asked = {
        name: rules.judge_upload(UnfinishedUpload(name, "id", age * DAY)).removed
        for name, age in ((f"{entry(0)}/sha256-0", 92), (f"{entry(1)}/sha256-0", 94), ("inputs/0/x", 1), ("mine/x", 1))
    }
    assert list(asked.values()) == [True, False, False, False]
