import pytest
from support.summaries import make_summary

from palm.artifacts.summary import Summary


@pytest.fixture(scope="session")
def summary() -> Summary:
    """Twelve policies on three rewards, four of them kept, promoted."""
    return make_summary()
