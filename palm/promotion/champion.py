"""Promotions: who is champion of a registered model, and every change of it."""

from palm.artifacts.verdict import Judgement, Verdict
from palm.errors import ConflictError, RegistryError
from palm.progress import log as logger
from palm.promotion.alias import ChampionAlias
from palm.promotion.certified import Certified
from palm.promotion.entry import PROMOTION, ROLLBACK, Entry
from palm.promotion.figures import VersionFigures, version_figures
from palm.promotion.history import History, read_history
from palm.promotion.judged import PROMOTED, REFUSED, VERDICT, record_judgement, recorded_judgement
from palm.promotion.log import PromotionLog, conflict
from palm.promotion.past_build import PastBuild
from palm.promotion.repair import Repair
from palm.promotion.rollback import earlier_champion
from palm.promotion.veto import veto
from palm.registry.client import Client
from palm.registry.manifest import damaged
from palm.registry.version import CHALLENGER, existing_version, version_with_alias


class Promotions:
    """The champion of a registered model: its log, and the alias `champion` that follows the log.

    Every method fails with `RegistryError` if MLflow fails. If an entry of the log was deleted or edited, every method
    but `history` and `repair` fails with `DamagedError` and changes nothing.
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

    def promote(self, version: str, judgement: Judgement, *, who: str, registered: str = "") -> Verdict:
        """Make a version champion if it has passed the gate and the champion is still the one it was compared with.

        Its files are verified first. A call that was killed is completed by the next one. Policies that a person has
        rolled back from are not promoted again, in whatever version they come.

        Args:
            who: the author, for the log.
            registered: digest of the version's manifest by the build that has registered it; empty: not known.

        Raises:
            ModelError: the version is damaged.
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
        found = self.log.read()
        rollback = veto(found.valid, version, self._policies)
        if rollback is not None:
            same = "" if rollback.before == version else ", which has the same policies"
            judgement = judgement.model_copy(
                update={
                    "passed": False,
                    "reason": f"{rollback.who} has rolled back from version {rollback.before}{same} "
                    f"({rollback.why or 'no reason given'}); to promote it all the same: "
                    f"palm promote CONFIG --version {version} --override --reason …",
                }
            )
            record_judgement(self.client, self.model, version, REFUSED, judgement)
            return _verdict(version, judgement, judgement.reason, champion)
        try:
            _check_against(judgement, champion, version)
            manifest, policies = self._verified(version, registered, found.manifest(version)), self._policies(version)
            # That took time, in which another promotion may have come first.
            seen = self.log.tail()
            champion = seen.head.after if seen.head else champion
            _check_against(judgement, champion, version)
            entry = self.log.append(
                seen,
                before=champion,
                after=version,
                kind=PROMOTION,
                why=judgement.reason,
                who=who,
                gate=judgement,
                manifest=manifest,
                policies=policies,
                # A person may have reset it since.
                baseline=[earlier for earlier in judgement.baseline if earlier in (champion, *_baseline(seen.head))],
            )
        except ConflictError as error:
            return _verdict(version, judgement, str(error), error.champion)
        self._alias.follow(entry)
        record_judgement(self.client, self.model, version, PROMOTED, judgement)
        return _verdict(version, judgement, entry.why, entry.before, entry)

    def promote_by_hand(
        self,
        version: str | None = None,
        *,
        why: str,
        who: str,
        override: bool = False,
        reset_baseline: bool = False,
    ) -> Entry:
        """Make a version champion by decision of a person, after its files were verified.

        Args:
            version: the version; None: the one with the alias `challenger`.
            why, who: reason and author, for the log.
            override: whether to accept a version that the gate has refused or never judged; needs a reason.
            reset_baseline: whether later portfolios are compared with this version only, not with the best before it;
                needs a reason, and the version may be champion already.

        Raises:
            RegistryError: there is no such version, it is champion already, or the gate has not passed it.
            ModelError: the version is damaged.
            ConflictError: the champion was changed at the same time.
        """
        found = existing_version(self.client, self.model, self._challenger() if version is None else version)
        # As MLflow writes it: 01 is version 1 there, and another champion in the log.
        version, gate = str(found.version), recorded_judgement(found.tags)
        what = f"{self.model} version {version}"
        verdict = found.tags.get(VERDICT)
        seen, logged = self.log.tail(), self.log.manifest(version)
        champion = seen.head.after if seen.head else self._alias.version()
        if reset_baseline and not why:
            raise RegistryError(what, rule="has no reason to begin a new baseline", remedy="give --reason")
        # A champion of an older palm may have no manifest in the log; this gives it one.
        if champion == version and not reset_baseline and logged:
            raise RegistryError(what, rule="is champion already", remedy="see `palm history CONFIG`")
        if champion != version and verdict != PROMOTED and not (override and why):
            raise RegistryError(
                what,
                rule="was never judged by the gate"
                if verdict is None
                else f"was refused by the gate ({gate.reason if gate else ''})",
                remedy="to promote it all the same, give --override and --reason",
            )
        why = why or (gate.reason if gate else "")
        manifest = self.certified.verified_manifest(version, logged=logged)
        baseline = {champion, *_baseline(seen.head)} - {None, version}
        entry = self.log.append(
            seen,
            before=champion,
            after=version,
            kind=PROMOTION,
            why=f"baseline reset: {why}" if reset_baseline else why,
            who=who,
            gate=gate,
            manifest=manifest,
            policies=self._policies(version),
            baseline=() if reset_baseline else sorted(baseline, key=int),
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
        seen, found = self.log.tail(), self.log.read()
        target = earlier_champion(self.model, found.valid, to)
        manifest = self.certified.verified_manifest(target, logged=found.manifest(target))
        entry = self.log.append(
            seen,
            before=seen.head.after,
            after=target,
            kind=ROLLBACK,
            why=why,
            who=who,
            manifest=manifest,
            policies=self._policies(target),
            # What is taken back is no standard for anything.
            baseline=_baseline(next((entry for entry in reversed(found.valid) if entry.after == target), None)),
        )
        self._alias.follow(entry)
        return entry

    def history(self) -> History:
        """Read and check the whole log."""
        return read_history(self.client, self.model, self.log.survey(), self._alias.version())

    def repair(self, *, who: str) -> list[str]:
        """Record deleted and edited entries, set the alias to what the log says, and write the log's mark again.

        If the newest entries were deleted, nobody knows the champion: then it is the version with the alias, whose
        files are verified.

        Returns:
            What was done, a line each; empty if nothing was wrong.

        Raises:
            RegistryError: the newest entries were deleted and nothing has the alias.
            ModelError: the version with the alias is damaged.
            ConflictError: the champion was changed at the same time.
        """
        return Repair(self.log, self._alias, self.certified, self._policies, who=who).run()

    def baseline(self) -> tuple[str, ...]:
        """Versions beside the champion that a run may lose little against: earlier champions since a person's reset."""
        return _baseline(self.log.tail().head)

    def figures(self, version: str) -> VersionFigures:
        """Figures of a version; all are None if it was deleted."""
        return version_figures(self.client, self.model, version)

    def _verified(self, version: str, registered: str, logged: str) -> str:
        """Digest of a version's manifest, after its files were verified."""
        found = self.certified.verified_manifest(version, logged=logged)
        if registered and found != registered:
            what = f"{self.model} version {version}"
            raise damaged(what, f"sha256 of its files' list is {found}, the build has registered {registered}")
        return found

    def _policies(self, version: str) -> str:
        return PastBuild(self.client, self.model, version).policies

    def _challenger(self) -> str:
        version = version_with_alias(self.client, self.model, CHALLENGER)
        if version is None:
            raise RegistryError(
                f"models:/{self.model}@{CHALLENGER}",
                rule="does not exist",
                remedy="build the portfolio, or name a --version",
            )
        return version


def _check_against(judgement: Judgement, champion: str | None, version: str) -> None:
    if judgement.against != champion:
        raise conflict(PROMOTION, version, expected=judgement.against, found=champion)


def _baseline(entry: Entry | None) -> tuple[str, ...]:
    """The baseline that an entry has left; one of an older palm begins it."""
    return () if entry is None or entry.baseline is None else entry.baseline


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
