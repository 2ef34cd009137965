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
    from pathlib import Path

    from palm.config_file import parse_config
    from palm.stages.sample_reference import sample_reference as step

    step(parse_config(config), Path(base_model.path), Path(rollouts.path))
