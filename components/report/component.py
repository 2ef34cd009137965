"""Component: one page about the build."""

from typing import List

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def report(
    config: str,
    build_id: str,
    design: dsl.Input[dsl.Artifact],
    rollouts: dsl.Input[dsl.Dataset],
    policies: dsl.Input[List[dsl.Model]],
    evaluations: dsl.Input[List[dsl.Dataset]],
    selection: dsl.Input[dsl.Artifact],
    registration: dsl.Input[dsl.Artifact],
    verdict: dsl.Input[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    summary: dsl.Output[dsl.Artifact],
):
    """Write the page that the Kubeflow UI shows, and its data.

    Args:
        config: The validated configuration, as JSON text.
        build_id: Names the build.
        design: JSON file of design_grid.
        rollouts: Folder of sample_reference.
        policies: Folders of train_policy.
        evaluations: Folders of evaluate_policy.
        selection: JSON file of select_portfolio.
        registration: JSON file of register_portfolio.
        verdict: JSON file of promote_portfolio.
        page: Self-contained HTML page.
        summary: JSON file with everything that the page shows.
    """
    from pathlib import Path

    from palm.config_file import parse_config
    from palm.stages.report import report as step

    step(
        parse_config(config),
        build_id=build_id,
        design=Path(design.path),
        rollouts=Path(rollouts.path),
        policies=[Path(item.path) for item in policies],
        evaluations=[Path(item.path) for item in evaluations],
        selection=Path(selection.path),
        registration=Path(registration.path),
        verdict=Path(verdict.path),
        page=Path(page.path),
        summary=Path(summary.path),
    )
