"""Component: the gate before the alias champion."""

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def promote_portfolio(
    config: str,
    registration: dsl.Input[dsl.Artifact],
    selection: dsl.Input[dsl.Artifact],
    verdict: dsl.Output[dsl.Artifact],
):
    """Promote the registered portfolio if its certified worst-case gap passes the gate.

    Args:
        config: The validated configuration, as JSON text.
        registration: JSON file of register_portfolio.
        selection: JSON file of select_portfolio.
        verdict: JSON file with the decision and its reason.
    """
    from pathlib import Path

    from palm.config_file import parse_config
    from palm.stages.promote_portfolio import promote_portfolio as step

    result = step(
        parse_config(config),
        registration=Path(registration.path),
        selection=Path(selection.path),
        destination=Path(verdict.path),
    )
    verdict.metadata.update(promoted=result["promoted"], reason=result["reason"])
