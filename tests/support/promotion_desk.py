"""Promotions of versions without builds, as the tests of the log make them."""

from support.small_portfolio import judged

from palm.promotion import promotions
from palm.promotion.entry import ROLLBACK


class Desk:
    """Promotions of versions that all have the same files, and MLflow's own view of them."""

    def __init__(self, config, client):
        self.model, self.mlflow = config.registry.model, client
        self.promotions = promotions(config)
        self.log = self.promotions.log

    def promote(self, version: str, against: str | None, **judgement):
        return self.promotions.promote(version, judged(against=against, **judgement), who="test")

    def promote_all(self, *versions: str) -> None:
        against = None
        for version in versions:
            assert self.promote(version, against).promoted
            against = version

    def append(self, *, before: str, after: str, kind: str = "promotion", seen=None, **more):
        entry = {"before": before, "after": after, "kind": kind, "why": "good", "who": "test"}
        return self.log.append(seen or self.log.tail(), **entry | more)

    def roll_back(self, before: str, after: str) -> None:
        """By a person, and without what `rollback` verifies."""
        self.append(before=before, after=after, kind=ROLLBACK, why="rude answers", who="ann@desk")
        self.promotions.champion(fix_alias=True)

    @property
    def alias(self) -> str:
        # With SQLite itself MLflow gives a number, over HTTP text.
        return str(self.mlflow.get_registered_model(self.model).aliases.get("champion"))

    @property
    def history(self):
        return self.promotions.history()

    def verdict(self, version: str) -> str | None:
        return self.mlflow.get_model_version(self.model, version).tags.get("palm.verdict")
