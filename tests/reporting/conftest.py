import pytest
from support.summaries import make_summary

from palm.artifacts.summary import Summary


@pytest.fixture(scope="session")
def summary() -> Summary:
    return make_summary()
