"""Check of the machines that train: libraries, GPUs and servers, before any work is done."""

import os
import urllib.request
from importlib.util import find_spec

from palm.config.portfolio import PortfolioConfig
from palm.config.training import Vllm
from palm.errors import ConfigError
from palm.storage.location import Location

_TIMEOUT_SECONDS = 5.0


def check_environment(config: PortfolioConfig, *, gpus_elsewhere: bool = False) -> None:
    """Check that this machine, or the nodes that it starts, can train with a configuration.

    Args:
        gpus_elsewhere: whether pods with GPUs may train instead of this machine, which may have none.
    """
    settings = config.training
    if settings.launcher == "trainjob":
        # The nodes train, not this machine.
        _check_train_job(config)
        return
    if config.base_model.dtype == "bfloat16" and not gpus_elsewhere:
        _check_bfloat16()
    if settings.vllm is not None and settings.samples:
        _check_vllm(settings.vllm)
    if settings.processes > 1:
        _check_processes(settings.processes)


def _check_train_job(config: PortfolioConfig) -> None:
    what = "training.launcher=trainjob"
    if find_spec("kubernetes") is None:
        raise ConfigError(what, rule="needs the Kubernetes client", remedy="pip install 'palm-portfolio[cluster]'")
    if not Location(config.storage.root).is_s3:
        raise ConfigError(
            f"{what}, storage.root={config.storage.root}",
            rule="its nodes see no folder of this machine",
            remedy="set storage.root to an s3:// prefix",
        )
    mlflow = [reward.name for reward in (*config.rewards, *config.metrics) if reward.uri.startswith("mlflow:")]
    if mlflow and config.registry.tracking_uri.startswith("sqlite:"):
        raise ConfigError(
            f"{what}, reward {mlflow[0]!r}",
            rule=f"its nodes do not see registry.tracking_uri={config.registry.tracking_uri}",
            remedy="set registry.tracking_uri to an MLflow server",
        )


def _check_bfloat16() -> None:
    import torch
    from transformers.utils import is_torch_bf16_gpu_available

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "this machine, which has no GPU,"
    emulated = torch.cuda.is_available() and not torch.cuda.is_bf16_supported(including_emulation=False)
    if emulated or not is_torch_bf16_gpu_available():
        raise ConfigError(
            "base_model.dtype=bfloat16",
            rule=f"{device} cannot train in it",
            remedy="use float32 or a newer GPU",
        )


def _check_vllm(vllm: Vllm) -> None:
    import torch

    what = f"training.vllm.mode={vllm.mode}"
    # Also with a server: TRL sends it the weights by vLLM's client.
    if find_spec("vllm") is None:
        raise ConfigError(what, rule="vLLM is not installed here", remedy="pip install vllm, or remove training.vllm")
    if vllm.mode == "colocate" and not torch.cuda.is_available():
        raise ConfigError(what, rule="needs a GPU here, there is none", remedy="remove training.vllm")
    if vllm.server_url is not None:
        address = f"{vllm.server_url.rstrip('/')}/health/"
        try:
            urllib.request.urlopen(address, timeout=_TIMEOUT_SECONDS).close()
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"training.vllm.server_url={vllm.server_url}",
                rule=f"does not answer ({error})",
                remedy="start `trl vllm-serve --model …` there",
            ) from error


def _check_processes(wanted: int) -> None:
    import torch

    given, unit = (torch.cuda.device_count(), "GPUs") if torch.cuda.is_available() else (os.cpu_count() or 1, "cores")
    if wanted > given:
        raise ConfigError(
            f"training.processes={wanted}",
            rule=f"must be at most the {given} {unit} of this machine",
            remedy="lower it, or validate on the machine that trains",
        )
