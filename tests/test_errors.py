"""Errors on their way back from a worker process."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from palm.errors import DataError
from palm.models.prompts import read_prompts


def test_an_error_comes_back_from_a_worker_as_it_was(tmp_path):
    path = tmp_path / "prompts.jsonl"
    path.touch()
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor,
        pytest.raises(DataError, match=r"prompts.jsonl: holds no records; give at least one line of JSON$"),
    ):
        executor.submit(read_prompts, path).result()
