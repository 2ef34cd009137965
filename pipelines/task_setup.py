"""What every task is given: image, resources, secrets, retries and a time limit."""

from kfp import dsl, kubernetes
from kfp.dsl.pipeline_channel import PipelineChannel

from palm.builds.records import ATTEMPTS_VARIABLE, BUILD_VARIABLE
from palm.config.pods import (
    AUTHORITIES_FOLDER,
    AUTHORITIES_VARIABLES,
    SECRET_KEYS,
    TASK_LABELS,
    task_variable,
)
from palm.pipelines.settings import CompileSettings

_FIRST_PAUSE_SECONDS, _PAUSE_FACTOR = 60, 2
_SECONDS_AN_HOUR = 3600
# Of tasks without a GPU, which read and write files and talk to MLflow.
_SMALL_CPU, _SMALL_MEMORY, _SMALL_HOURS = "2", "8Gi", 4

# Where the volume with downloads is; the model hub's client looks at the same variable.
_CACHE = "/cache"


def small(task: dsl.PipelineTask, name: str, settings: CompileSettings, *, secret) -> dsl.PipelineTask:
    """Set up a task that needs no GPU.

    Args:
        task: the task.
        name: what the Kubeflow UI calls it.
        settings: what is decided at compile time.
        secret: name of the Secret with credentials; a value or an input of the pipeline.

    Returns:
        The task.
    """
    task.set_container_image(settings.image)
    task.set_cpu_request("500m").set_cpu_limit(_SMALL_CPU)
    task.set_memory_request("2Gi").set_memory_limit(_SMALL_MEMORY)
    return _common(task, name, settings, secret=secret, hours=_SMALL_HOURS)


def on_gpu(
    task: dsl.PipelineTask,
    name: str,
    settings: CompileSettings,
    *,
    accelerator,
    accelerator_count,
    cpu,
    memory,
    node_selector,
    tolerations,
    secret,
) -> dsl.PipelineTask:
    """Set up a task that samples, trains or evaluates; its arguments are values or inputs of the pipeline.

    Args:
        task: the task.
        name: what the Kubeflow UI calls it.
        settings: what is decided at compile time.
        accelerator: resource name of the GPU type.
        accelerator_count: GPUs of the task.
        cpu: cores of the task.
        memory: memory of the task.
        node_selector: labels of the nodes it may run on.
        tolerations: taints of nodes that it accepts.
        secret: name of the Secret with credentials.

    Returns:
        The task.
    """
    task.set_container_image(settings.gpu_image)
    task.set_accelerator_type(accelerator).set_accelerator_limit(accelerator_count)
    task.set_cpu_request(cpu).set_cpu_limit(cpu).set_memory_request(memory).set_memory_limit(memory)
    # Those setters do not tell the compiler of inputs that they use, so a loop around the task would not hand them in.
    inputs = (accelerator, accelerator_count, cpu, memory)
    task.register_pipeline_channels([value for value in inputs if isinstance(value, PipelineChannel)])
    kubernetes.add_node_selector_json(task, node_selector)
    kubernetes.add_toleration_json(task, tolerations)
    # Processes of one pod exchange tensors there; a container's own default is 64 MiB.
    kubernetes.empty_dir_mount(task, volume_name="shared-memory", mount_path="/dev/shm", medium="Memory")
    return _common(task, name, settings, secret=secret, hours=settings.hours)


def _common(task: dsl.PipelineTask, name: str, settings: CompileSettings, *, secret, hours: int) -> dsl.PipelineTask:
    task.set_display_name(name)
    # Finished work is found in the storage, by content and checked. KFP's cache would hand on names of what garbage
    # collection may have removed.
    task.set_caching_options(False)
    if settings.retries:
        _set_retry(task, settings.retries, hours)
        task.set_env_variable(ATTEMPTS_VARIABLE, str(settings.retries + 1))
    kubernetes.set_timeout(task, hours * _SECONDS_AN_HOUR)
    kubernetes.use_secret_as_env(
        task, secret_name=secret, secret_key_to_env={key: task_variable(key) for key in SECRET_KEYS}, optional=True
    )
    kubernetes.use_field_path_as_env(task, env_name=BUILD_VARIABLE, field_path="metadata.labels['pipeline/runid']")
    if settings.cache_claim:
        kubernetes.mount_pvc(task, pvc_name=settings.cache_claim, mount_path=_CACHE)
        task.set_env_variable("XDG_CACHE_HOME", _CACHE)
    if settings.ca_config_map:
        kubernetes.use_config_map_as_volume(task, settings.ca_config_map, mount_path=AUTHORITIES_FOLDER)
        for variable, path in AUTHORITIES_VARIABLES.items():
            task.set_env_variable(variable, path)
    for key, value in TASK_LABELS.items():
        kubernetes.add_pod_label(task, key, value)
    # All else that Pod Security's level `restricted` asks for KFP sets by itself, since its 2.17.
    return kubernetes.set_security_context(task, run_as_non_root=True)


def _set_retry(task: dsl.PipelineTask, retries: int, hours: int) -> None:
    # The last number is no limit of a pause: it is counted from the first attempt's start, and when it is over nothing
    # is tried again and what runs is ended (Argo Workflows). So it must leave room for every attempt and every pause.
    attempts = (retries + 1) * hours * _SECONDS_AN_HOUR
    pauses = _FIRST_PAUSE_SECONDS * (_PAUSE_FACTOR**retries - 1)
    task.set_retry(
        retries,
        backoff_duration=f"{_FIRST_PAUSE_SECONDS}s",
        backoff_factor=float(_PAUSE_FACTOR),
        backoff_max_duration=f"{attempts + pauses}s",
    )
