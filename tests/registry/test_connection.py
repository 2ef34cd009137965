"""MLflow's address in this process, during and after PALM's work with its own server."""

import os

import mlflow
import pytest

from palm.registry.connection import connected


@pytest.mark.parametrize("own", [None, "http://own.example"])
def test_the_process_keeps_its_own_address(config, monkeypatch, own):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    mlflow.set_tracking_uri(own)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://first.example")
    try:
        with connected(config.registry), connected(config.registry):
            assert mlflow.get_tracking_uri() == os.environ["MLFLOW_TRACKING_URI"] == config.registry.tracking_uri
        assert os.environ["MLFLOW_TRACKING_URI"] == "http://first.example"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://later.example")
        assert mlflow.get_tracking_uri() == (own or "http://later.example")
    finally:
        mlflow.set_tracking_uri(before)
