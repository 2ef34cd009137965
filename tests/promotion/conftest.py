"""Promotions of four versions."""

import pytest
from support.promotion_desk import Desk


@pytest.fixture
def desk(versions):
    return Desk(*versions)
