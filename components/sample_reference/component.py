"""Component: scored rollouts of the reference policy."""

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def sample_reference(config: str, base_model: dsl.Input[dsl.Model], rollouts: dsl.Output[dsl.Dataset]):
    """Sample and score the reference policy on all prompts.

    Args:
        config: The validated configuration, as JSON text.
        base_model: Prepared base model.
        rollouts: Folder with train.parquet, eval.parquet and reference.json.
    """
    from palm.workers import run_step

    run_step("sample_reference", config, base_model=base_model.path, destination=rollouts.path)
