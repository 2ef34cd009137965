"""The extra of the distribution that brings a missing module."""

from palm import DISTRIBUTION

EXTRAS = {
    "serve": "httpx2 huggingface_hub mlflow pandas peft requests safetensors sqlalchemy tokenizers torch transformers",
    "build": "jinja2 kfp kfp_server_api markupsafe matplotlib mpltern pyarrow regex",
    "train": "accelerate datasets trl",
    "s3": "boto3 botocore",
    "cluster": "cronsim docker kubernetes prometheus_client urllib3",
}
"""Modules that palm imports, by the smallest extra of pyproject.toml that brings them."""

COMMANDS = {"run": "train", "compile": "cluster", "submit": "cluster", "schedule": "cluster"}
"""Commands that need more than the module they fail at."""


def missing_extra(error: ModuleNotFoundError, command: str | None) -> str | None:
    """The line that names what is missing and how to install it; None if no extra brings the module."""
    module = (error.name or "").partition(".")[0]
    extra = next((extra for extra, modules in EXTRAS.items() if module in modules.split()), None)
    if extra is None:
        return None
    wanted = COMMANDS.get(command or "", extra)
    return f"{module}: is not installed; pip install '{DISTRIBUTION}[{wanted}]'"
