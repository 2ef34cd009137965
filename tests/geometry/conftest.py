"""The exact testbed: tabular KL-regularised problems with closed-form optima."""

import pytest
from testbed import draw_problem


@pytest.fixture(scope="session")
def tabular():
    def draw(seed, objectives, *, beta=0.1, prompts=4, responses=12):
        return draw_problem(seed, objectives, prompts=prompts, responses=responses, beta=beta)

    return draw
