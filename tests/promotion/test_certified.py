"""What is served is what was certified: every file of a version counts, none is in excess, and checks last."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from support.cluster_commands import palm
from support.damage import flip
from support.published import publish, write_adapters, write_served
from support.small_portfolio import judged, promote, registered

from palm.artifacts.routing import Routing
from palm.errors import DamagedError, ModelError
from palm.promotion import promotions
from palm.promotion.load import load
from palm.promotion.past_builds import download_policies
from palm.registry.manifest import MANIFEST_TAG, write_manifest
from palm.serving.portfolio import Answer
from palm.storage.manifest import MANIFEST

ADAPTER = "adapter_model.safetensors"
OLD_CODE = """
from pathlib import Path
import mlflow
from palm.serving.portfolio import ServedPortfolio

class PortfolioModel(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self._portfolio = ServedPortfolio(Path(context.artifacts["portfolio"]))

    def predict(self, context, model_input, params=None):
        return model_input

mlflow.models.set_model(PortfolioModel())
"""
"""Code of a version that an older palm has registered."""


@pytest.fixture
def version(config, workspace, monkeypatch) -> Path:
    """Files of version 1 where MLflow keeps them; it was champion before version 2."""
    for number, against in enumerate((None, "1"), 1):
        registered(config, workspace, f"weights-{number}")
        promote(config, str(number), against=against)
    mlflow.set_tracking_uri(config.registry.tracking_uri)
    yield files_of(config, "1")
    mlflow.set_tracking_uri(None)


def files_of(config, number: str) -> Path:
    client = mlflow.MlflowClient(config.registry.tracking_uri, config.registry.tracking_uri)
    return Path(client.get_model_version_download_uri(config.registry.model, number).removeprefix("file://"))


def routing_file(version: Path) -> Path:
    return next(version.rglob(Routing.FILE))


def rotate_values(version: Path) -> None:
    table = json.loads(routing_file(version).read_text())
    table["policies"][0]["value_vector"] = [0.9, 0.1]
    routing_file(version).write_text(json.dumps(table))


def swap_folders(version: Path) -> None:
    table = json.loads(routing_file(version).read_text())
    first, second = table["policies"]
    first["folder"], second["folder"] = second["folder"], first["folder"]
    routing_file(version).write_text(json.dumps(table))


def flip_a_bit(version: Path) -> None:
    flip(routing_file(version), routing_file(version).read_text().index("0.5"), bit=3)


def edit_code(version: Path) -> None:
    code = version / "portfolio_model.py"
    code.write_text(f"{code.read_text()}\nopen({str(version.parent / 'ran')!r}, 'w').close()\n")


def edit_mlflow_record(version: Path) -> None:
    (version / "MLmodel").write_text((version / "MLmodel").read_text().replace("portfolio_model", "another_model"))


def edit_requirements(version: Path) -> None:
    (version / "requirements.txt").write_text("evil==1.0\n")


def add_adapter_to_base(version: Path) -> None:
    base = routing_file(version).parent / "base_model"
    base.mkdir()
    shutil.copyfile(next(version.rglob(ADAPTER)), base / ADAPTER)


def add_code(version: Path) -> None:
    (version / "sitecustomize.py").write_text("")


def remove_a_policy(version: Path) -> None:
    next(version.rglob(ADAPTER)).unlink()


def edit_table_and_manifest(version: Path) -> None:
    rotate_values(version)
    write_manifest(version)


def remove_manifest(version: Path) -> None:
    rotate_values(version)
    (version / MANIFEST).unlink()


ATTACKS = [
    rotate_values,
    swap_folders,
    flip_a_bit,
    edit_code,
    edit_mlflow_record,
    edit_requirements,
    add_adapter_to_base,
    add_code,
    remove_a_policy,
    edit_table_and_manifest,
    remove_manifest,
]


def uses(config, folder: Path) -> list[Callable]:
    """Everything that is done with version 1."""
    ask = ("generate", "--config", folder / "portfolio.yaml", "--prompt", "say tea", "--weights", "0.5,0.5")

    def refused(*command: str) -> None:
        line = palm(*command, code=1).output
        assert "Traceback" not in line
        raise ModelError(line, rule="was", remedy="said")

    return [
        lambda: load(f"models:/{config.registry.model}/1"),
        lambda: refused(*ask, "--alias", "first"),
        lambda: refused("pull", folder / "portfolio.yaml", folder / "models", "--version", "1"),
        lambda: promotions(config).rollback(why="worse", who="test"),
        lambda: promotions(config).promote_by_hand("1", why="test", who="test"),
        lambda: download_policies(promotions(config), "1", folder / "copy"),
    ]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_a_version_that_was_changed_is_used_for_nothing(config, workspace, client, version, attack):
    client.set_registered_model_alias(config.registry.model, "first", "1")
    attack(version)
    for use in uses(config, workspace):
        with pytest.raises(ModelError, match=r"sha256|no such file|certified"):
            use()
    assert not (version.parent / "ran").exists(), "code of the version was run"
    assert promotions(config).champion() == "2"
    assert not (workspace / "models" / "portfolio").exists()


@pytest.mark.parametrize(
    "attack", [rotate_values, add_code, edit_table_and_manifest], ids=lambda attack: attack.__name__
)
def test_mlflows_own_loading_checks_as_well(config, version, attack):
    uri = f"models:/{config.registry.model}/1"
    mlflow.pyfunc.load_model(uri)
    attack(version)
    with pytest.raises(ModelError, match=r"sha256|certified"):
        mlflow.pyfunc.load_model(uri)


def test_who_edits_the_tag_too_is_stopped_by_the_log(config, client, version):
    edit_table_and_manifest(version)
    digest = json.loads((version / MANIFEST).read_text())["sha256"]
    client.set_model_version_tag(config.registry.model, "1", MANIFEST_TAG, digest)
    with pytest.raises(ModelError, match=rf"tag {MANIFEST_TAG} is {digest}, the promotion log has \w{{64}}"):
        load(f"models:/{config.registry.model}/1")
    client.delete_model_version_tag(config.registry.model, "1", MANIFEST_TAG)
    with pytest.raises(ModelError, match=rf"is {digest}, certified is \w{{64}}"):
        load(f"models:/{config.registry.model}/1")


def promote_as_registered(config, registration):
    judgement = judged(against="2")
    return promotions(config).promote(registration.version, judgement, who="build", registered=registration.manifest)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_a_run_does_not_promote_what_was_changed_since_it_was_registered(config, workspace, client, version, attack):
    registration = registered(config, workspace, "weights-3")
    changed = files_of(config, registration.version)
    attack(changed)
    if (changed / MANIFEST).exists():
        digest = write_manifest(changed)
        client.set_model_version_tag(config.registry.model, "3", MANIFEST_TAG, digest)
    else:
        client.delete_model_version_tag(config.registry.model, "3", MANIFEST_TAG)
    with pytest.raises(ModelError, match=r"sha256|no such file"):
        promote_as_registered(config, registration)
    assert promotions(config).champion() == "2" and len(promotions(config).history().entries) == 2


def test_what_a_build_has_registered_is_logged(config, workspace, version):
    registration = registered(config, workspace, "weights-3")
    assert promote_as_registered(config, registration).promoted
    assert registration.manifest == promotions(config).log.manifest("3") != ""


def test_a_repair_does_not_certify_a_damaged_version(config, client, version):
    client.delete_model_version(f"{config.registry.model}-promotions", "2")
    edit_table_and_manifest(files_of(config, "2"))
    with pytest.raises(ModelError, match="certified is"):
        promotions(config).repair(who="test")
    with pytest.raises(DamagedError, match="lacks entry 2"):
        promotions(config).champion()
    client.set_registered_model_alias(config.registry.model, "champion", "1")
    assert "champion is version 1, which has the alias" in promotions(config).repair(who="test")[0]


def test_a_version_of_an_older_palm_is_served_with_a_warning_until_it_is_promoted(config, workspace, client, caplog):
    registered(config, workspace, "old")
    client.delete_model_version_tag(config.registry.model, "1", MANIFEST_TAG)
    version, uri = files_of(config, "1"), f"models:/{config.registry.model}@champion"
    (version / MANIFEST).unlink()
    (version / "portfolio_model.py").write_text(OLD_CODE)
    client.set_registered_model_alias(config.registry.model, "champion", "1")
    mlflow.pyfunc.load_model(str(version))
    with caplog.at_level("WARNING", logger="palm"):
        load(uri, tracking_uri=config.registry.tracking_uri)
    assert caplog.text.count("registered without a manifest") == 1
    flip(next(version.rglob(ADAPTER)), 0)
    with pytest.raises(ModelError, match="sha256 is"):
        load(uri, tracking_uri=config.registry.tracking_uri)
    flip(next(version.rglob(ADAPTER)), 0)
    assert promotions(config).promote_by_hand(why="manifest", who="test").manifest
    caplog.clear()
    load(uri, tracking_uri=config.registry.tracking_uri)
    assert not caplog.text
    rotate_values(version)
    with pytest.raises(ModelError, match=r"is \w{64}, certified is \w{64}"):
        load(uri, tracking_uri=config.registry.tracking_uri)


@pytest.fixture
def answering(config, workspace, base_model) -> Path:
    """Files of version 1, champion, which can answer."""
    publish(config, workspace, base_model, source=str(base_model))
    promote(config, "1")
    mlflow.set_tracking_uri(config.registry.tracking_uri)
    yield files_of(config, "1")
    mlflow.set_tracking_uri(None)


def replace_adapters(portfolio: Path, base_model: Path, scratch: Path) -> None:
    for name, folder in write_adapters(scratch, base_model, seed=7).items():
        # In place, as a mapped file sees it.
        (portfolio / "adapters" / name / ADAPTER).write_bytes((folder / ADAPTER).read_bytes())


def test_what_is_replaced_after_the_check_is_not_served(config, answering, base_model, tmp_path):
    uri = f"models:/{config.registry.model}@champion"
    rows = pd.DataFrame({"prompt": ["say tea"], "weights": [[0.9, 0.1]]})
    expected = load(uri).answer("say tea", [0.9, 0.1], seed=3)
    loaded, asked, in_place, downloaded = (
        load(uri),
        mlflow.pyfunc.load_model(uri),
        mlflow.pyfunc.load_model(uri),
        load(answering),
    )

    def first(model) -> Answer:
        return Answer(**model.predict(rows, params={"seed": 3}).iloc[0])

    assert first(asked) == expected
    replace_adapters(routing_file(answering).parent, base_model, tmp_path / "others")
    # A copy of its own, and a policy that was read before.
    assert loaded.answer("say tea", [0.9, 0.1], seed=3) == expected == first(asked)
    for use in (lambda: first(in_place), lambda: downloaded.answer("say tea", [0.9, 0.1])):
        with pytest.raises(ModelError, match=rf"adapters/policy-a/{ADAPTER}: sha256 is \w{{64}}, recorded is \w{{64}}"):
            use()


def test_a_portfolio_folder_is_read_as_it_was_checked(base_model, tmp_path):
    write_served(
        tmp_path / "portfolio", write_adapters(tmp_path / "own", base_model, 0), base_model, source=str(base_model)
    )
    served = load(tmp_path / "portfolio")
    shutil.copyfile(next((tmp_path / "own").rglob(ADAPTER)), tmp_path / "portfolio" / "base_model" / ADAPTER)
    assert served.answer("say tea", [0.9, 0.1], seed=3).response
    with pytest.raises(ModelError, match=f"base_model/{ADAPTER}: sha256 is .* recorded is no such file"):
        load(tmp_path / "portfolio")
