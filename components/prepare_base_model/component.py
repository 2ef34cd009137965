"""Component: the base model in a folder."""

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def prepare_base_model(config: str, base_model: dsl.Output[dsl.Model]):
    """Fetch or, for a tiny model, train the reference policy.

    Args:
        config: The validated configuration, as JSON text.
        base_model: Hugging Face model folder with its digest.
    """
    from pathlib import Path

    from palm.config_file import parse_config
    from palm.stages.prepare_base_model import prepare_base_model as step

    step(parse_config(config), Path(base_model.path))
