"""Errors on their way back from a worker process."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from palm.errors import DataError


def test_an_error_comes_back_from_a_worker_as_it_was():
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor,
        pytest.raises(DataError, match="^FILE: is empty; give another$"),
    ):
        executor.submit(fail).result()


def fail():
    raise DataError("FILE", rule="is empty", remedy="give another")
