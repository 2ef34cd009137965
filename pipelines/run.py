"""What every run has around its work: detection first, and the outcome recorded last, whatever comes in between."""

from typing import Callable

from kfp import dsl

from palm.components.detect_change.component import detect_change
from palm.components.record_outcome.component import record_outcome
from palm.pipelines.settings import CompileSettings
from palm.pipelines.task_setup import small


def make_run(
    name: str,
    description: str,
    settings: CompileSettings,
    work: Callable[[dsl.PipelineTask, dict], None],
    *,
    only_if_changed: bool,
) -> Callable:
    """The pipeline of a run.

    Args:
        name: of the pipeline.
        description: of the pipeline.
        settings: what is decided at compile time.
        work: adds the tasks in between, given the task detect_change and the inputs that `palm.pipelines.build` calls
            resources.
        only_if_changed: whether that work is done only if an input has changed.

    Returns:
        The pipeline.
    """

    @dsl.pipeline(name=name, description=description)
    def run(
        config: str,
        storage_root: str = "",
        tracking_uri: str = "",
        accelerator: str = "nvidia.com/gpu",
        accelerator_count: str = "1",
        training_accelerator_count: str = "1",
        cpu: str = "4",
        memory: str = "32Gi",
        node_selector: dict = {},
        tolerations: list = [],
        secret: str = "palm-credentials",
    ):
        """Do the work of a run.

        Args:
            config: The configuration: JSON or YAML text, or the s3:// address of such a file.
            storage_root: Takes the place of the configuration's storage.root unless empty.
            tracking_uri: Takes the place of the configuration's registry.tracking_uri unless empty.
            accelerator: Resource name of the GPU type.
            accelerator_count: GPUs of each task that samples or evaluates; 0 for none.
            training_accelerator_count: GPUs of each task that trains: the configuration's training.processes, or 0 if
                TrainJobs train.
            cpu: Cores of each task that samples, trains or evaluates.
            memory: Memory of each such task.
            node_selector: Labels of the nodes that such tasks may run on.
            tolerations: Taints that such tasks accept, as in a pod's specification.
            secret: Name of the Secret whose keys become environment variables of all tasks; it need not exist.
        """
        source = {"config": config, "storage_root": storage_root, "tracking_uri": tracking_uri}
        resources = {
            "accelerator": accelerator,
            "accelerator_count": accelerator_count,
            "training_accelerator_count": training_accelerator_count,
            "cpu": cpu,
            "memory": memory,
            "node_selector": node_selector,
            "tolerations": tolerations,
            "secret": secret,
        }
        outcome = record_outcome(**source, only_if_changed=only_if_changed)
        small(outcome, "Record outcome", settings, secret=secret)
        with dsl.ExitHandler(outcome, name="portfolio"):
            found = detect_change(**source)
            small(found, "Detect change", settings, secret=secret)
            work(found, resources)

    return run
