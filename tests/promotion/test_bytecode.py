"""Python compiles a version's code beside it: that is no damage, and bytecode that somebody else has put there is."""

import importlib.util
import marshal
import os
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from support.small_portfolio import promote, registered

from palm.errors import ModelError
from palm.promotion import promotions
from palm.promotion.load import load
from palm.registry.manifest import MANIFEST_TAG
from palm.storage.digest import value_digest
from palm.storage.manifest import MANIFEST, parse_manifest

_MODEL = "small"
_BYTECODE = "__pycache__"


@pytest.fixture
def version(config, workspace, client, monkeypatch) -> Path:
    """Files of version 1, champion, where MLflow keeps them."""
    registered(config, workspace, "weights")
    promote(config, "1")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", config.registry.tracking_uri)
    return Path(client.get_model_version_download_uri(_MODEL, "1").removeprefix("file://"))


def compiling_python(code: str) -> None:
    """Run code in a Python that writes bytecode, as it does unless it is told not to."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def plant(version: Path) -> Path:
    """Bytecode that Python runs instead of the version's code, whatever that is; the file that it writes then."""
    source, ran = version / "portfolio_model.py", version.parent / "ran"
    code = compile(f"{source.read_text()}\nopen({str(ran)!r}, 'w').close()\n", str(source), "exec")
    cached = Path(importlib.util.cache_from_source(str(source)))
    cached.parent.mkdir(exist_ok=True)
    unchecked = (0b01).to_bytes(4, "little") + bytes(8)
    cached.write_bytes(importlib.util.MAGIC_NUMBER + unchecked + marshal.dumps(code))
    return ran


def test_mlflow_and_palm_load_a_version_again_and_again(config, version):
    compiling_python(
        f"import mlflow\nfor _ in range(2): mlflow.pyfunc.load_model('models:/{_MODEL}@champion')\n"
        f"import palm\npalm.load('models:/{_MODEL}@champion')\npalm.load({str(version)!r})"
    )
    assert list((version / _BYTECODE).glob("portfolio_model.*.pyc"))
    assert load(version).router.policies == load(f"models:/{_MODEL}/1").router.policies


def test_bytecode_is_recorded_nowhere(config, version, workspace, client, tmp_path):
    compiling_python(f"import mlflow\nmlflow.pyfunc.load_model('models:/{_MODEL}@champion')")
    certified = client.get_model_version(_MODEL, "1").tags[MANIFEST_TAG]
    known = promotions(config)
    assert known.certified.verified_manifest("1", logged=known.log.manifest("1")) == certified
    found = promotions(config).certified.download("1", tmp_path / "copy")
    assert value_digest(dict(found.files)) == certified and not list((tmp_path / "copy").rglob(_BYTECODE))
    assert value_digest(parse_manifest((version / MANIFEST).read_text(), "manifest")) == certified
    registered(config, workspace, "others")
    promote(config, "2", against="1")
    entry = promotions(config).rollback(why="worse", who="test")
    assert entry.after == "1" and entry.manifest == certified


def test_planted_bytecode_is_not_run_by_palm(config, version):
    ran = plant(version)
    assert load(f"models:/{_MODEL}@champion").router.policies
    assert promotions(config).promote_by_hand("1", why="again", who="test", reset_baseline=True).after == "1"
    with pytest.raises(ModelError, match=rf"{_BYTECODE}/portfolio_model.*is not what portfolio_model.py compiles to"):
        load(version)
    assert not ran.exists()


def test_mlflows_own_loading_refuses_planted_bytecode(version):
    """MLflow has run it by then: who may write there is trusted, and a mistake is noticed."""
    plant(version)
    mlflow.set_tracking_uri(os.environ["MLFLOW_TRACKING_URI"])
    try:
        with pytest.raises(ModelError, match="is not what portfolio_model.py compiles to"):
            mlflow.pyfunc.load_model(f"models:/{_MODEL}/1")
    finally:
        mlflow.set_tracking_uri(None)


def test_bytecode_counts_where_python_makes_none(version):
    (next(version.rglob("adapters")) / "policy-a" / _BYTECODE).mkdir()
    (next(version.rglob("adapters")) / "policy-a" / _BYTECODE / "x.pyc").write_text("")
    with pytest.raises(ModelError, match="recorded is no such file"):
        load(version)
