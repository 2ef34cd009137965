"""What a build spent on training, and what it did not have to."""

from palm.progress import weights_label


def training_spent(policies: list[dict]) -> dict:
    """Sum up the trainings of a build.

    Args:
        policies: records of the step train_policy, one a weight vector, with ``reused`` and ``device_seconds``.

    Returns:
        ``trained`` and ``reused`` (preference weights as text), ``continued`` (those of the trained ones that started
        from an earlier policy), ``device_seconds`` (spent on all GPUs or processors together) and
        ``device_seconds_saved`` (what the training of the reused ones had taken).
    """
    trained = [record for record in policies if not record["reused"]]
    reused = [record for record in policies if record["reused"]]
    return {
        "trained": [weights_label(record["weights"]) for record in trained],
        "continued": [weights_label(record["weights"]) for record in trained if record["start"]],
        "reused": [weights_label(record["weights"]) for record in reused],
        "device_seconds": sum(record["device_seconds"] for record in trained),
        "device_seconds_saved": sum(record["device_seconds"] for record in reused),
    }
