"""The component report in a pipeline of its own."""

from pathlib import Path
from typing import NamedTuple

from kfp import dsl
from mini_pipeline import content, given, given_all, run_locally

from components.report.component import report
from palm.build_record import BUILD_VARIABLE
from palm.storage.files import read_json

Report = NamedTuple("Report", page=dsl.HTML, summary=dsl.Artifact)


def test_reports_what_the_library_reports(build, config, tmp_path, monkeypatch):
    monkeypatch.setenv(BUILD_VARIABLE, "component")

    @dsl.pipeline
    def alone() -> Report:
        task = report(
            config=config,
            design=given(dsl.Artifact, build.design),
            rollouts=given(dsl.Dataset, build.rollouts),
            policies=given_all(dsl.Model, build.policies),
            evaluations=given_all(dsl.Dataset, build.evaluations),
            selection=given(dsl.Artifact, build.selection),
            registration=given(dsl.Artifact, build.registration),
            verdict=given(dsl.Artifact, build.verdict),
            plan=given(dsl.Dataset, build.plan),
        )
        return Report(task.outputs["page"], task.outputs["summary"])

    made = run_locally(alone, tmp_path)
    summary, library = content(made["summary"]), read_json(build.summary)
    assert summary == {
        **library,
        "build_id": "component",
        # This build trained none of them.
        "policies": [{**policy, "reused": True} for policy in library["policies"]],
        "trained": [],
        "reused": library["trained"],
        "device_seconds": 0,
        "device_seconds_saved": library["device_seconds"],
        "created": summary["created"],
        "config_yaml": library["config_yaml"].replace(build.config.storage.root, str(tmp_path / "store")),
    }
    page = Path(made["page"].path).read_text(encoding="utf-8")
    assert "<html" in page and all(name in page for name in library["selection"]["portfolio"])
