"""Component: the base model in a folder."""

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def prepare_base_model(config: str, base_model: dsl.Output[dsl.Model], snapshot: str = ""):
    """Fetch or, for a tiny model, train the reference policy.

    Args:
        config: The validated configuration, as JSON text.
        snapshot: What the build is made from (detect_change); empty outside of a build. It is an error if an input is
            another one by now.

    Returns:
        base_model: Hugging Face model folder with its digest.
    """
    from palm.workers import run_step

    run_step("prepare_base_model", config, snapshot=snapshot, destination=base_model.path)
