"""Promotions: who is champion of a registered model, and every change of it."""

from palm.artifacts.verdict import Judgement, Verdict
from palm.errors import ConflictError, RegistryError
from palm.progress import log as logger
from palm.promotion.alias import ChampionAlias
from palm.promotion.certified import Certified
from palm.promotion.entry import PROMOTION, REPAIR, ROLLBACK, Entry
from palm.promotion.figures import VersionFigures, version_figures
from palm.promotion.history import History, LoggedEntry, refusals
from palm.promotion.judged import PROMOTED, REFUSED, VERDICT, record_judgement, recorded_judgement
from palm.promotion.log import PromotionLog, Tail, conflict
from palm.promotion.replay import Replay
from palm.promotion.rollback import earlier_champion
from palm.registry.client import Client
from palm.registry.version import CHALLENGER, existing_version, lookup_version, version_with_alias


class Promotions:
    """The champion of a registered model: its log, and the alias `champion` that follows the log.

    Every method fails with `RegistryError` if MLflow fails, and with `DamagedError` if the log was edited or, except
    in `history` and `repair`, an entry of it was deleted.
    """

    def __init__(self, client: Client, model: str):
        self.client, self.model = client, model
        self.log = PromotionLog(client, model)
        self.certified = Certified(client, model, self.log)
        self._alias = ChampionAlias(client, model, self.log)

    def champion(self, *, fix_alias: bool = False) -> str | None:
        """The champion's version by the log; None if there is none.

        Args:
            fix_alias: whether to set the alias to it if it is on another version, which needs the right to write; else
                that is a warning.
        """
        head = self.log.tail().head
        if head is None:
            return self._alias.version()
        if fix_alias:
            self._alias.fix(head)
        elif (alias := self._alias.version()) != head.after:
            logger.warning("%s: alias champion is %s, the log says %s", self.model, alias or "absent", head.after)
        return head.after

    def promote(self, version: str, judgement: Judgement, *, who: str) -> Verdict:
        """Make a version champion if it has passed the gate and the champion is still the one it was compared with.

        A call that was killed is completed by the next one. A version that a person has rolled back from is not
        promoted again.

        Args:
            who: the author, for the log.
        """
        seen = self.log.tail()
        head = seen.head
        if head and head.after == version:
            self._alias.fix(head)
            if head.gate and head.gate.passed:
                record_judgement(self.client, self.model, version, PROMOTED, head.gate)
            return _verdict(version, judgement, head.why, head.before, head)
        champion = head.after if head else self._alias.version()
        if not judgement.passed:
            self._alias.fix(head)
            record_judgement(self.client, self.model, version, REFUSED, judgement)
            return _verdict(version, judgement, judgement.reason, champion)
        undone = self._undone(version)
        if undone is not None:
            reason = (
                f"{undone.who} has rolled back from version {version} ({undone.why or 'no reason given'}); "
                f"to promote it all the same: palm promote --version {version}"
            )
            return _verdict(version, judgement, reason, champion)
        try:
            if judgement.against != champion:
                raise conflict(PROMOTION, version, expected=judgement.against, found=champion)
            entry = self.log.append(
                seen,
                before=champion,
                after=version,
                kind=PROMOTION,
                why=judgement.reason,
                who=who,
                gate=judgement,
                manifest=self.certified.manifest(version),
            )
        except ConflictError as error:
            return _verdict(version, judgement, str(error), error.champion)
        self._alias.follow(entry)
        record_judgement(self.client, self.model, version, PROMOTED, judgement)
        return _verdict(version, judgement, entry.why, entry.before, entry)

    def promote_by_hand(self, version: str | None = None, *, why: str, who: str, override: bool = False) -> Entry:
        """Make a version champion by decision of a person, after its files were verified.

        Args:
            version: the version; None: the one with the alias `challenger`.
            why, who: reason and author, for the log.
            override: whether to accept a version that the gate has refused or never judged; needs a reason.

        Raises:
            RegistryError: there is no such version, or the gate has not passed it.
            ModelError: the version is damaged.
            ConflictError: the champion was changed at the same time.
        """
        found = existing_version(self.client, self.model, self._challenger() if version is None else version)
        # As MLflow writes it: 01 is version 1 there, and another champion in the log.
        version, gate = str(found.version), recorded_judgement(found.tags)
        what = f"{self.model} version {version}"
        verdict = found.tags.get(VERDICT)
        if verdict != PROMOTED and not (override and why):
            raise RegistryError(
                what,
                rule="was never judged by the gate"
                if verdict is None
                else f"was refused by the gate ({gate.reason if gate else ''})",
                remedy="to promote it all the same, give --override and --reason",
            )
        seen = self.log.tail()
        champion = seen.head.after if seen.head else self._alias.version()
        # A champion of an older palm may have no manifest in the log; this gives it one.
        if champion == version and self.log.manifest(version):
            raise RegistryError(what, rule="is champion already", remedy="see `palm history CONFIG`")
        why, manifest = why or (gate.reason if gate else ""), self.certified.verified_manifest(version)
        entry = self.log.append(
            seen, before=champion, after=version, kind=PROMOTION, why=why, who=who, gate=gate, manifest=manifest
        )
        self._alias.follow(entry)
        return entry

    def rollback(self, to: str | None = None, *, why: str, who: str) -> Entry:
        """Make an earlier champion champion again, after its files were verified.

        Args:
            to: a version that was champion; None: the one before the promotion of the present champion, so that
                another rollback goes one step further back.
            why, who: reason and author, for the log.

        Raises:
            RegistryError: there is no such earlier champion.
            ModelError: the version is damaged.
            ConflictError: the champion was changed at the same time.
        """
        seen = self.log.tail()
        target = earlier_champion(self.model, self.log.read().valid, to)
        manifest = self.certified.verified_manifest(target)
        entry = self.log.append(
            seen, before=seen.head.after, after=target, kind=ROLLBACK, why=why, who=who, manifest=manifest
        )
        self._alias.follow(entry)
        return entry

    def history(self) -> History:
        """Read and check the whole log."""
        found, alias = self.log.read(), self._alias.version()
        champion = found.head.after if found.head else None
        problems = [f"entry {number} of the log is missing: somebody has deleted it" for number in found.gaps]
        if champion is not None and lookup_version(self.client, self.model, champion) is None:
            problems.append(
                f"version {champion}, champion by the log, was deleted: run `palm rollback` or `palm promote`"
            )
        elif champion is not None and alias != champion:
            problems.append(
                f"alias champion is {f'version {alias}' if alias else 'absent'}, the log says version {champion}: "
                "run `palm repair CONFIG`"
            )
        entries = sorted((*found.valid, *found.void), key=lambda entry: entry.number)
        return History(
            model=self.model,
            entries=tuple(LoggedEntry(**dict(entry), valid=entry in found.valid) for entry in entries),
            refused=tuple(refusals(self.client, self.model)),
            champion=champion,
            alias=alias,
            problems=tuple(problems),
            noted=tuple(number for number in found.gaps if number not in found.missing),
        )

    def repair(self, *, who: str) -> list[str]:
        """Record deleted entries and set the alias to what the log says.

        Returns:
            What was done, a line each; empty if nothing was wrong.

        Raises:
            ConflictError: the champion was changed at the same time.
        """
        found = self.log.read()
        if found.missing:
            return self._record_deleted(found, who)
        was = self._alias.fix(found.head)
        return [] if was is None else [_alias_line(was, found.head.after)]

    def figures(self, version: str) -> VersionFigures:
        """Figures of a version; all are None if it was deleted."""
        return version_figures(self.client, self.model, version)

    def _record_deleted(self, found: Replay, who: str) -> list[str]:
        """The deleted entry may have been the head, so the version that is served stays champion."""
        before = found.head.after if found.head else None
        alias = self._alias.version()
        numbers = ", ".join(map(str, found.missing))
        newest = max(entry.number for entry in (*found.valid, *found.void))
        entry = self.log.append(
            Tail(found.head, newest),
            before=before,
            after=alias or before or "",
            kind=REPAIR,
            why=f"somebody has deleted entries: {numbers}",
            who=who,
            missing=found.missing,
        )
        lines = [f"entry {entry.number} records deleted entries: {numbers}; champion is version {entry.after}"]
        if alias != entry.after:
            self._alias.follow(entry)
            lines.append(_alias_line(alias or "", entry.after))
        return lines

    def _undone(self, version: str) -> Entry | None:
        """The rollback by which a person has taken the version's last promotion back; None if there is none."""
        if self.client.get_model_version(self.model, version).tags.get(VERDICT) != PROMOTED:
            return None
        last = next(
            (entry for entry in reversed(self.log.read().valid) if version in (entry.after, entry.before)), None
        )
        return last if last is not None and last.kind == ROLLBACK and last.before == version else None

    def _challenger(self) -> str:
        version = version_with_alias(self.client, self.model, CHALLENGER)
        if version is None:
            raise RegistryError(
                f"models:/{self.model}@{CHALLENGER}",
                rule="does not exist",
                remedy="build the portfolio, or name a --version",
            )
        return version


def _alias_line(was: str, now: str) -> str:
    return f"alias champion was {f'version {was}' if was else 'absent'}, set to version {now}"


def _verdict(
    version: str, judgement: Judgement, reason: str, before: str | None, entry: Entry | None = None
) -> Verdict:
    gate = judgement if entry is None else entry.gate
    return Verdict(
        promoted=entry is not None,
        reason=reason,
        version=version,
        previous_version=before,
        checks=gate.checks if gate else (),
        log_entry=entry.number if entry else None,
        confidence=judgement.confidence,
    )
