"""Repair of the promotion log, its mark and the alias `champion`."""

from collections.abc import Callable

from palm.errors import RegistryError
from palm.promotion.alias import ChampionAlias
from palm.promotion.certified import Certified
from palm.promotion.entry import REPAIR
from palm.promotion.log import PromotionLog, Survey, Tail


class Repair:
    """Repair of one portfolio's log; what was done is told in lines.

    Args:
        policies_of: digest of the policies of a version, empty if it is not known.
        who: the author, for the log.
    """

    def __init__(
        self,
        log: PromotionLog,
        alias: ChampionAlias,
        certified: Certified,
        policies_of: Callable[[str], str],
        *,
        who: str,
    ):
        self._log, self._alias, self._certified = log, alias, certified
        self._policies_of, self._who = policies_of, who

    def run(self) -> list[str]:
        """Record what is missing, set the alias to what the log says, and write the mark again."""
        survey = self._log.survey()
        head = survey.found.head
        if survey.found.missing or (survey.mark_damage and head is None):
            return self._record_damage(survey)
        lines = []
        if survey.mark_damage:
            self._log.mark(head)
            lines = [f"the mark of the promotion log was edited, set to entry {head.number}"]
        was = self._alias.fix(head)
        return lines if was is None else [*lines, _alias_line(was, head.after)]

    def _record_damage(self, survey: Survey) -> list[str]:
        """Append an entry of what is missing, with the champion by the log or, if its end is missing, by the alias."""
        found, alias = survey.found, self._alias.version()
        before = found.head.after if found.head else None
        champion = before if survey.head_is_certain else alias or before
        if champion is None:
            raise RegistryError(
                f"promotion log {self._log.name}",
                rule="was deleted, and no version has the alias champion",
                remedy="give the alias to the version that is served, then run it again",
            )
        manifest, by = found.manifest(champion), ""
        if not survey.head_is_certain:
            manifest = self._certified.verified_manifest(champion, logged=manifest)
            by = f", which {'has the alias' if alias else 'is the last in the log'}: check that it is the right one"
        numbers = ", ".join(map(str, found.missing)) or "all"
        newest = max((entry.number for entry in (*found.valid, *found.void)), default=0)
        baseline = (found.head and found.head.baseline) or ()
        entry = self._log.append(
            Tail(found.head, newest),
            before=before,
            after=champion,
            kind=REPAIR,
            why=f"somebody has deleted or edited entries: {numbers}",
            who=self._who,
            manifest=manifest,
            missing=found.missing,
            policies=self._policies_of(champion),
            baseline=sorted({before, *baseline} - {None, champion}, key=int),
        )
        self._alias.follow(entry)
        lines = [
            f"entry {entry.number} records deleted or edited entries: {numbers}; champion is version {champion}{by}; "
            "a rollback among them holds no run back any more"
        ]
        return lines if alias == champion else [*lines, _alias_line(alias or "", champion)]


def _alias_line(was: str, now: str) -> str:
    return f"alias champion was {f'version {was}' if was else 'absent'}, set to version {now}"
