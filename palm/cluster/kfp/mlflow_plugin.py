"""KFP's own MLflow plugin: what a run tells it, where an administrator has turned it on."""

ON, OFF = "on", "off"


def plugins_input(choice: str | None) -> dict | None:
    """What a run or a recurring run says to the plugin.

    Args:
        choice: ``on``: the administrator's experiment; ``off``: no runs of the plugin's; else the name of its
            experiment in MLflow; None or empty: nothing is said, the administrator decides.

    Returns:
        The field ``plugins_input`` of the API; None if nothing is said.
    """
    if not choice:
        return None
    return {"mlflow": {"disabled": choice == OFF} if choice in (ON, OFF) else {"experiment_name": choice}}
