"""The component record_outcome as the exit handler of a pipeline whose task fails."""

import pytest
from kfp import dsl
from support.mini_pipeline import run_locally

from palm.builds.outcome import outcome_markdown, read_outcome
from palm.builds.records import BUILD_VARIABLE, page_name
from palm.components.design_grid.component import design_grid
from palm.components.launcher_rules import check_executor_outputs
from palm.components.record_outcome.component import record_outcome
from palm.config.load import parse_config
from palm.storage.files import write_text
from palm.storage.records import Records


def test_tells_which_task_failed_and_why(build, config, keep, tmp_path, monkeypatch):
    keep(*build.reference.values())
    monkeypatch.setenv(BUILD_VARIABLE, "component")
    right = parse_config(config)
    design = right.design.model_copy(update={"strategy": "astrology"})
    wrong = right.model_copy(update={"design": design}).to_json()
    # A page that an earlier attempt has left is not that of a build that failed.
    write_text(tmp_path / "page.html", "of a build that succeeded")
    Records(right.storage.root).write_file(page_name("component"), tmp_path / "page.html")

    @dsl.pipeline
    def failing():
        outcome = record_outcome(config=config, storage_root="", tracking_uri="", only_if_changed=False)
        with dsl.ExitHandler(outcome):
            design_grid(config=wrong, **build.reference)

    with pytest.raises(RuntimeError, match="design-grid"):
        run_locally(failing, tmp_path / "run")
    check_executor_outputs(tmp_path / "run")
    (path,) = (tmp_path / "run").glob("*/record-outcome/outcome")
    outcome = read_outcome(right.storage.root, "component")
    (failure,) = outcome.failures
    assert failure.step == "design_grid" and "astrology" in failure.error
    assert path.read_text(encoding="utf-8") == outcome_markdown(outcome)
    page = path.with_name("page").read_text(encoding="utf-8")
    assert outcome.headline in page and "astrology" in page and "<html" in page
