"""The data of GSM8K, which this project does not ship."""

import os
from pathlib import Path

import pytest

GSM8K = Path(os.environ.get("PALM_GSM8K", Path(__file__).resolve().parents[3] / "shared" / "data" / "gsm8k"))

needs_gsm8k = pytest.mark.skipif(
    not (GSM8K / "train.jsonl").is_file(), reason="no GSM8K: set PALM_GSM8K to the folder of train.jsonl, test.jsonl"
)
