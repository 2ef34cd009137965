"""Source of a component that Kubeflow copies into the status of every run: a signature and a call."""

import ast

import pytest

from palm.components.documentation import component_names, load_component

LIMIT = 400
"""Bytes; a run's status holds the source a dozen times for each task."""
PREFIX = "\nimport kfp\nfrom kfp import dsl\nfrom kfp.dsl import *\nfrom typing import *\n\n"
"""What KFP itself puts before the source of any component."""


@pytest.mark.parametrize("name", component_names())
def test_the_embedded_source_is_a_few_lines(name):
    source = load_component(name).component_spec.implementation.container.command[-1]
    assert source.startswith(PREFIX)
    own = source.removeprefix(PREFIX)
    assert len(own.encode()) <= LIMIT
    (function,) = ast.parse(own).body
    assert function.name == name and ast.get_docstring(function) is None
