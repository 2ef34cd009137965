"""Alias `champion` of a registered model: it follows the promotion log, and servers read it."""

from palm.errors import RegistryError
from palm.progress import log as logger
from palm.promotion.entry import Entry
from palm.promotion.log import PromotionLog
from palm.registry.client import Client, error_code
from palm.registry.retry import retry_on_conflict
from palm.registry.version import CHAMPION, lookup_version, version_with_alias

_PERMISSION_DENIED = "PERMISSION_DENIED"
"""MLflow's code of a request that the user has no right to."""


class ChampionAlias:
    """The alias of one portfolio."""

    def __init__(self, client: Client, model: str, log: PromotionLog):
        self._client, self._model, self._log = client, model, log

    def version(self) -> str | None:
        """The version that has the alias; None if there is none."""
        return version_with_alias(self._client, self._model, CHAMPION)

    def fix(self, head: Entry | None) -> str | None:
        """Set the alias to what the log says, if somebody has moved it or a writer was killed, and mark the head.

        A champion that was deleted can have no alias: nothing is served until another version is promoted. Who may
        not write marks no head, and fails only if the alias is wrong.

        Returns:
            The version that had the alias, empty for none; None if nothing was changed.
        """
        found = self.version()
        if head is None:
            return None
        self._mark(head)
        if found == head.after:
            return None
        if lookup_version(self._client, self._model, head.after) is None:
            logger.warning("%s: version %s is champion by the log, but was deleted", self._model, head.after)
            return None
        logger.warning("%s: alias champion is %s, the log says %s; set", self._model, found or "absent", head.after)
        self.follow(head)
        return found or ""

    def _mark(self, head: Entry) -> None:
        """Mark the head of a log whose writer was killed, or was an older palm."""
        if self._log.is_marked(head):
            return
        try:
            self._log.mark(head)
        except RegistryError as error:
            if error_code(error) != _PERMISSION_DENIED:
                raise

    def follow(self, head: Entry) -> None:
        """Mark the log's head and set the alias to it, repeatedly until the head is what was set.

        The last process to set the alias reads the log after that, so a slow writer cannot leave an older champion.
        """
        while True:
            self._log.mark(head)
            retry_on_conflict(self._client.set_registered_model_alias, self._model, CHAMPION, head.after)
            now = self._log.tail().head
            if now is None or now.number == head.number:
                return
            head = now
