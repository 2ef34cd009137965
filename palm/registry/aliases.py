"""Setting an alias while others set it."""

_TWO_AT_ONCE = ("IntegrityError", "UniqueViolation")


def set_alias(client, model: str, alias: str, version: str) -> None:
    """Give an alias to a version.

    Args:
        client: an `MlflowClient`.
        model: the registered model.
        alias: the alias.
        version: the version that gets it.
    """
    from mlflow.exceptions import MlflowException

    try:
        client.set_registered_model_alias(model, alias, version)
    except MlflowException as error:
        # Two that both found no alias insert one: MLflow fails for the slower, who finds it when it asks again.
        if not any(name in str(error) for name in _TWO_AT_ONCE):
            raise
        client.set_registered_model_alias(model, alias, version)
