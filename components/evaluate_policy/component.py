"""Component: one policy measured on the held-out prompts."""

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def evaluate_policy(
    config: str,
    policy: dsl.Input[dsl.Model],
    base_model: dsl.Input[dsl.Model],
    rollouts: dsl.Input[dsl.Dataset],
    evaluation: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
):
    """Measure rewards, divergence, objective and value vector of a policy.

    Args:
        config: The validated configuration, as JSON text.
        policy: PEFT adapter or model folder with policy.json, of train_policy or of a trainer of your own.
        base_model: Prepared base model.
        rollouts: Scored rollouts of the reference policy.

    Returns:
        evaluation: Folder with evaluation.json and samples.parquet.
        metrics: What the Kubeflow UI shows: J, J_ref, J - J_ref, KL and each reward.
    """
    import json
    from pathlib import Path

    from palm.workers import run_step

    record = run_step(
        "evaluate_policy",
        config,
        label=json.loads((Path(policy.path) / "policy.json").read_text())["policy"],
        policy=policy.path,
        base_model=base_model.path,
        rollouts=rollouts.path,
        destination=evaluation.path,
    )
    evaluation.metadata["policy"] = record["policy"]
    shown = {"J": "objective", "J_ref": "objective_reference", "J_gain": "gain", "KL": "kl"}
    values = {name: record[key] for name, key in shown.items()}
    values |= {f"reward_{name}": entry for name, entry in record["rewards"].items()}
    for name, value in values.items():
        metrics.log_metric(name, value["mean"])
