"""The work of the component register_portfolio."""

from pathlib import Path
from tempfile import TemporaryDirectory

from kfp import dsl

from palm.artifacts.design import Design
from palm.artifacts.plan import Work
from palm.artifacts.selection import Selection
from palm.builds.records import current_build
from palm.builds.reuse import fetched
from palm.builds.selected_policies import fetch_evaluations, fetch_policies
from palm.components.authoring import write_metadata
from palm.config.resolve import read_snapshot, resolve_config
from palm.steps.run import run_step

_SPENT = ("trained", "continued", "reused", "device_seconds", "device_seconds_saved")


def run(
    config: str, plan: dsl.Dataset, selection: dsl.Artifact, gate: dsl.Markdown, summary: dsl.Artifact, snapshot: str
) -> None:
    """Register the portfolio in MLflow, promote it if it passes the gate, and write the page of the build.

    The environment variable PALM_BUILD_ID names the build: a retry with the same one registers and promotes nothing
    twice, and the promotion log says who promoted. record_outcome shows the page.

    Args:
        config: The configuration: the address that detect_change gives, or JSON text.
        plan: Folder of design_grid.
        selection: JSON file of select_portfolio.
        snapshot: Inputs of the build (detect_change), kept with it; empty: not recorded, and detect_change will
            report the next build as changed.

    Returns:
        gate: Shown by the Kubeflow UI: the gate's decision, its reason and its figures.
        summary: JSON file with everything that the page shows.
    """
    resolved, made_from, build = resolve_config(config), read_snapshot(snapshot), current_build()
    root, chosen, work = resolved.storage.root, Selection.read(Path(selection.path)), Work.read(Path(plan.path))
    with fetched(root, work.base_model, work.rollouts) as (base, rollouts), TemporaryDirectory() as scratch:
        folder = Path(scratch)
        policies = [str(path) for path in fetch_policies(resolved, chosen, build, folder / "policies")]
        measured = {
            "selection": selection.path,
            "plan": plan.path,
            "evaluations": [str(path) for path in fetch_evaluations(root, chosen, folder / "evaluations")],
        }
        design, registration, verdict = f"{plan.path}/{Design.FILE}", f"{scratch}/registration", f"{scratch}/verdict"
        registered = run_step(
            "register_portfolio",
            resolved,
            build,
            made_from,
            snapshot=made_from,
            policies=policies,
            base_model=str(base),
            design=design,
            selection=selection.path,
            destination=registration,
            plan=plan.path,
        )
        judged = run_step(
            "promote_portfolio",
            resolved,
            build,
            result=("promoted", "reason", "version"),
            registration=registration,
            destination=verdict,
            page=gate.path,
            **measured,
        )
        run_step(
            "report",
            resolved,
            build,
            result=_SPENT,
            design=design,
            rollouts=str(rollouts),
            policies=policies,
            registration=registration,
            verdict=verdict,
            page=f"{scratch}/page.html",
            summary=summary.path,
            **measured,
        )
    write_metadata(
        summary,
        model=registered["model"],
        version=registered["version"],
        promoted=judged["promoted"],
        reason=judged["reason"],
    )
