"""Component: scored rollouts of the reference policy."""

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def sample_reference(
    config: str, base_model: dsl.Input[dsl.Model], rollouts: dsl.Output[dsl.Dataset], snapshot: str = ""
):
    """Sample and score the reference policy on all prompts.

    Args:
        config: The validated configuration, as JSON text.
        snapshot: What the build is made from (detect_change); empty outside of a build. It is an error if an input is
            another one by now.
        base_model: Prepared base model.

    Returns:
        rollouts: Folder with train.parquet, eval.parquet, reference.json and calibration.json.
    """
    from palm.workers import run_step

    run_step("sample_reference", config, snapshot=snapshot, base_model=base_model.path, destination=rollouts.path)
