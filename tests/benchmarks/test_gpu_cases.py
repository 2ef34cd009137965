"""The GPU measurement at a small size: the same path, here on whatever there is."""

import pytest
import torch
from gpu_cases import MISSING, Size, gpu, limit_of, throughput

SMALL = Size(
    vocabulary=1200, hidden=16, intermediate=32, layers=2, heads=2, key_value_heads=1,
    dtype="float32", batch=16, tokens=6, steps=2,
)  # fmt: skip


def test_tokens_per_second_are_measured():
    measured = throughput(SMALL)
    # Embedding (tied), two layers of attention, MLP and norms, and the last norm.
    attention = 16 * 16 + 2 * 16 * 8 + 16 * 16
    assert measured["parameters"] == 1200 * 16 + 2 * (attention + 3 * 16 * 32 + 2 * 16) + 16
    assert measured["generation"] > 0 and measured["training"] > 0


def test_limits():
    assert limit_of("training", SMALL, 10**9, 4e12, 1.0) == 1000
    assert limit_of("generation", SMALL, 10**9, 1.0, 2e12) == 16 * 1000


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so():
    assert gpu().note == MISSING
