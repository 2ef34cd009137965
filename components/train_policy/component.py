"""Component: one policy for one vector of preference weights."""

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def train_policy(
    config: str,
    preference_weights: list,
    base_model: dsl.Input[dsl.Model],
    rollouts: dsl.Input[dsl.Dataset],
    policy: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
    keep: str = "",
    start: str = "",
):
    """Train the policy of some preference weights, unless the store has it already.

    Args:
        config: The validated configuration, as JSON text.
        preference_weights: Non-negative numbers that sum to 1, one a reward.
        keep: Name of an earlier policy in the storage that is taken as it is (plan_training); empty to train.
        start: Name of an earlier policy in the storage that the training starts from; empty for none.
        base_model: Prepared base model.
        rollouts: Scored rollouts of the reference policy.

    Returns:
        policy: PEFT adapter folder with policy.json, and train_job.json where a TrainJob trained it.
        metrics: What the Kubeflow UI shows: seconds of training, steps, and whether the policy was there already.
    """
    from palm.progress import weights_label
    from palm.workers import run_step

    record = run_step(
        "train_policy",
        config,
        preference_weights,
        keep,
        start,
        label=weights_label(preference_weights),
        result=("policy", "weights", "reused", "start", "device_seconds", "guard"),
        base_model=base_model.path,
        rollouts=rollouts.path,
        destination=policy.path,
    )
    shown = ("policy", "weights", "backend", "reused", "start", "training_seconds", "guard", "train_job")
    policy.metadata.update({key: record[key] for key in shown})
    for name in ("training_seconds", "steps", "reused"):
        metrics.log_metric(name, float(record[name]))
