"""Settings of every task: image, resources, secrets, retries and a time limit."""

from kfp import dsl, kubernetes

from palm.builds.records import ATTEMPTS_VARIABLE, BUILD_VARIABLE
from palm.config.cluster import Cluster, PodResources
from palm.config.pods import AUTHORITIES_FOLDER, AUTHORITIES_VARIABLES, SECRET_KEYS, TASK_LABELS, task_variable

_FIRST_PAUSE_SECONDS, _PAUSE_FACTOR = 60, 2
_SECONDS_AN_HOUR = 3600
# Of tasks without a GPU, which read and write files and talk to MLflow.
_SMALL_CPU, _SMALL_MEMORY, _SMALL_HOURS = "2", "8Gi", 4

# Mount path of the volume with downloads; the model hub's client reads the same variable.
_CACHE = "/cache"


def small(task: dsl.PipelineTask, name: str, cluster: Cluster) -> None:
    """Set up a task that needs no GPU; its name is the label in the Kubeflow UI."""
    task.set_container_image(cluster.image)
    task.set_cpu_request("500m").set_cpu_limit(_SMALL_CPU)
    task.set_memory_request("2Gi").set_memory_limit(_SMALL_MEMORY)
    _common(task, name, cluster, retries=cluster.tasks.retries, hours=_SMALL_HOURS)


def on_gpu(task: dsl.PipelineTask, name: str, cluster: Cluster, pod: PodResources) -> None:
    """Set up a task that samples, trains or evaluates, with the resources ``cluster.tasks`` or ``cluster.training``."""
    task.set_container_image(cluster.gpu_image)
    if pod.gpus:
        task.set_accelerator_type(pod.accelerator).set_accelerator_limit(pod.gpus)
    task.set_cpu_request(pod.cpu).set_cpu_limit(pod.cpu).set_memory_request(pod.memory).set_memory_limit(pod.memory)
    for key, value in pod.node_selector.items():
        kubernetes.add_node_selector(task, key, value)
    for toleration in pod.tolerations:
        kubernetes.add_toleration(
            task, toleration.key, toleration.operator, toleration.value, toleration.effect, toleration.tolerationSeconds
        )
    # Processes of one pod exchange tensors there; a container's own default is 64 MiB.
    kubernetes.empty_dir_mount(task, volume_name="shared-memory", mount_path="/dev/shm", medium="Memory")
    _common(task, name, cluster, retries=pod.retries, hours=pod.hours)


def _common(task: dsl.PipelineTask, name: str, cluster: Cluster, *, retries: int, hours: int) -> None:
    task.set_display_name(name)
    # Finished work is found in the storage, by content and checked. KFP's cache would return names of entries that
    # garbage collection may have removed.
    task.set_caching_options(False)
    if retries:
        _set_retry(task, retries, hours)
        task.set_env_variable(ATTEMPTS_VARIABLE, str(retries + 1))
    kubernetes.set_timeout(task, hours * _SECONDS_AN_HOUR)
    keys = {key: task_variable(key) for key in SECRET_KEYS}
    kubernetes.use_secret_as_env(task, secret_name=cluster.secret, secret_key_to_env=keys, optional=True)
    kubernetes.use_field_path_as_env(task, env_name=BUILD_VARIABLE, field_path="metadata.labels['pipeline/runid']")
    if cluster.cache_claim:
        kubernetes.mount_pvc(task, pvc_name=cluster.cache_claim, mount_path=_CACHE)
        task.set_env_variable("XDG_CACHE_HOME", _CACHE)
    if cluster.ca_config_map:
        kubernetes.use_config_map_as_volume(task, cluster.ca_config_map, mount_path=AUTHORITIES_FOLDER)
        for variable, path in AUTHORITIES_VARIABLES.items():
            task.set_env_variable(variable, path)
    for key, value in TASK_LABELS.items():
        kubernetes.add_pod_label(task, key, value)
    # KFP itself sets everything else that Pod Security's level `restricted` requires, since its 2.17.
    kubernetes.set_security_context(task, run_as_non_root=True)


def _set_retry(task: dsl.PipelineTask, retries: int, hours: int) -> None:
    # backoff_max_duration does not limit a pause: Argo Workflows counts it from the first attempt's start, then retries
    # no more and ends what runs. So it must cover every attempt and every pause.
    attempts = (retries + 1) * hours * _SECONDS_AN_HOUR
    pauses = _FIRST_PAUSE_SECONDS * (_PAUSE_FACTOR**retries - 1)
    task.set_retry(
        retries,
        backoff_duration=f"{_FIRST_PAUSE_SECONDS}s",
        backoff_factor=float(_PAUSE_FACTOR),
        backoff_max_duration=f"{attempts + pauses}s",
    )
