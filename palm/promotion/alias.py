"""The alias `champion`: the projection of the promotion log that servers read."""

from palm.config.portfolio import Registry
from palm.errors import RegistryError
from palm.progress import log as logger
from palm.promotion.entry import Entry
from palm.promotion.log import PromotionLog
from palm.registry.connection import connected
from palm.registry.integrity import existing_version
from palm.registry.register import CHAMPION
from palm.registry.retry import again


def current_champion(registry: Registry) -> str | None:
    """Tell the champion, and mend the alias if it is not what the log says.

    Args:
        registry: where MLflow is, and the model's name.

    Returns:
        Its version; None if there is none.

    Raises:
        RegistryError: MLflow fails.
        DamagedError: an entry of the log was deleted.
    """
    with connected(registry) as client:
        log = PromotionLog(client, registry.model)
        head = log.tail().head
        mended_alias(client, registry.model, log, head)
        return head.after if head else alias_of(client, registry.model)


def champion_by_log(registry: Registry) -> str | None:
    """Tell the champion by the log and change nothing, for whoever may only read.

    Args:
        registry: where MLflow is, and the model's name.

    Returns:
        Its version; None if there is none.

    Raises:
        RegistryError: MLflow fails.
        DamagedError: an entry of the log was deleted.
    """
    with connected(registry) as client:
        head = PromotionLog(client, registry.model).tail().head
        alias = alias_of(client, registry.model)
    if head is not None and head.after != alias:
        logger.warning("%s: alias champion is %s, the log says %s", registry.model, alias or "absent", head.after)
    return head.after if head else alias


def alias_of(client, model: str, alias: str = CHAMPION) -> str | None:
    """The version that has an alias.

    Args:
        client: an `MlflowClient`.
        model: registered model of the portfolio; need not exist.
        alias: ``champion`` or ``challenger``.

    Returns:
        Its number; None if there is none.
    """
    found = client.search_registered_models(f"name = '{model}'")
    version = found[0].aliases.get(alias) if found else None
    return None if version is None else str(version)


def is_gone(client, model: str, version: str) -> bool:
    """Tell whether a version that the log names was deleted from the registry.

    Args:
        client: an `MlflowClient`.
        model: registered model of the portfolio.
        version: its version.
    """
    try:
        existing_version(client, model, version)
    except RegistryError:
        return True
    return False


def mended_alias(client, model: str, log: PromotionLog, head: Entry | None) -> str | None:
    """Set the alias to what the log says, if it is another one: by hand, or because a writer was killed.

    A champion that was deleted can have no alias: then nothing is served until another one is promoted.

    Args:
        client: an `MlflowClient`.
        model: registered model of the portfolio.
        log: its log.
        head: the log's head as it was read.

    Returns:
        What the alias was, empty for none; None if nothing had to be mended.
    """
    found = alias_of(client, model)
    if head is None or found == head.after:
        return None
    if is_gone(client, model, head.after):
        logger.warning("%s: version %s is champion by the log, but was deleted", model, head.after)
        return None
    logger.warning("%s: alias champion is %s, the log says %s; set", model, found or "absent", head.after)
    project(client, model, log, head)
    return found or ""


def project(client, model: str, log: PromotionLog, head: Entry) -> None:
    """Set the alias to the log's head, and again until the head is what was set.

    Whoever sets the alias last has read the log after that, so a slow writer cannot leave an older champion.

    Args:
        client: an `MlflowClient`.
        model: registered model of the portfolio.
        log: its log.
        head: the head as it was read or written.
    """
    while True:
        again(client.set_registered_model_alias, model, CHAMPION, head.after)
        now = log.tail().head
        if now is None or now.after == head.after:
            return
        head = now
