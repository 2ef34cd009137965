"""Where the documents of Kubeflow are that this project is checked against and does not ship."""

import os
from pathlib import Path

import pytest

SCHEMAS = Path(os.environ.get("PALM_SCHEMAS", Path(__file__).resolve().parents[3] / "shared" / "data" / "schemas"))
"""Folder with kfp-api-v2beta1.swagger.json and, in crds/, custom resource definitions."""

needs_schemas = pytest.mark.skipif(
    not SCHEMAS.is_dir(), reason=f"no {SCHEMAS}: set PALM_SCHEMAS to a folder with the API documents of Kubeflow"
)
