"""Step: reuse, fine-tune an earlier policy, or train from the base model, for each weight vector of the design.

After a change of rewards the policies of the champion may still be good. They are measured under the present rewards
first, and are then candidates for the portfolio, starts of new trainings, and what the gate compares with.
"""

import json
import shutil
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from palm.artifacts.base import Vector
from palm.artifacts.design import Design
from palm.artifacts.evaluation import Evaluation, Reference
from palm.artifacts.plan import Champion, EarlierChampion, Plan, Planned
from palm.artifacts.policy import Policy
from palm.artifacts.selection import Candidate
from palm.builds.inputs import Inputs, base_model_digest, load_inputs
from palm.builds.rebuild.candidates import EVALUATIONS, EarlierPolicy, earlier_policy, remapped_weights
from palm.builds.rebuild.planner import make_plan
from palm.builds.records import mark_use
from palm.config.portfolio import PortfolioConfig
from palm.errors import ModelError
from palm.evaluation.measured import write_reference
from palm.models.policies import is_adapter
from palm.progress import stage
from palm.promotion import promotions
from palm.promotion.past_builds import PastBuild, baseline_builds, champion_build, download_policies, newest_build
from palm.steps.evaluate_policies import evaluate_policies
from palm.storage.digest import file_digest
from palm.storage.files import new_folder
from palm.storage.local_file import local_file
from palm.storage.store import Store
from palm.training.task import training_task


def plan_training(
    config: PortfolioConfig, snapshot: str = "", *, base_model: Path, rollouts: Path, design: Path, destination: Path
) -> Planned:
    """Measure the champion's policies under the present rewards and decide what has to be trained.

    A build with the inputs and the section ``rebuild`` of a registered one adopts its plan, so that both end in the
    same portfolio, whatever has been promoted in between.

    Args:
        snapshot: inputs of the build (`palm.builds.rebuild.snapshot`), JSON text; empty outside of a build.
        destination: folder to make: plan.json, champion.json, ``evaluations/NAME`` for every earlier policy, each with
            its policy.json, and the reference's scores.
    """
    with stage("plan_training", config.registry.model), new_folder(destination) as folder:
        weights = Design.read(design).weights
        champion, baseline = champion_build(promotions(config)), baseline_builds(promotions(config))
        with TemporaryDirectory() as scratch:
            earlier = _EarlierPolicies(config, champion, baseline, base_model, rollouts, folder, Path(scratch))
            reference = Reference.read(rollouts).rewards
            plan = _adopted(config, champion, snapshot, weights) or make_plan(
                config,
                weights,
                earlier.candidates() if config.rebuild.from_champion else [],
                reference=np.array([reference[name].mean for name in config.reward_names]),
                name_of=earlier.name_of_new_training,
                from_version=champion.version if champion else None,
            )
            earlier.measure_champion(plan).write(folder)
            write_reference(config, rollouts, folder)
            from_base = earlier.trained_from_base(plan)
        plan.write(folder)
    continued = sum(bool(training.start) for training in plan.trainings)
    return Planned(
        kept=len(weights) - continued - from_base,
        continued=continued,
        from_base=from_base,
        from_version=plan.from_version,
    )


def _adopted(
    config: PortfolioConfig, champion: PastBuild | None, snapshot: str, weights: tuple[Vector, ...]
) -> Plan | None:
    """Plan of a registered build with the same inputs, if the storage has all policies that it names."""
    if not snapshot:
        return None
    store = Store(config.storage.root)
    for build in (newest_build(promotions(config)), champion):
        if build is None or build.plan is None or build.snapshot != json.loads(snapshot):
            continue
        plan = build.plan
        if plan.rebuild != config.rebuild.model_dump():
            continue
        named = {*plan.earlier, *(name for training in plan.trainings for name in (training.keep, training.start))}
        named.discard("")
        for name in named:
            mark_use(store.root, name)
        if tuple(training.weights for training in plan.trainings) == weights and all(map(store.has, named)):
            return plan
    return None


class _EarlierPolicies:
    """Policies of the champion's build and of the baseline, each measured at most once under the present rewards."""

    def __init__(
        self,
        config: PortfolioConfig,
        champion: PastBuild | None,
        baseline: list[PastBuild],
        base_model: Path,
        rollouts: Path,
        folder: Path,
        scratch: Path,
    ):
        self._config, self._champion, self._baseline = config, champion, baseline
        self._base_model, self._rollouts = base_model, rollouts
        self._folder, self._scratch = folder, scratch
        self._store = Store(config.storage.root)
        self._digest = base_model_digest(base_model)
        self._prompts = file_digest(local_file(config.prompts.train))
        self._downloaded: dict[str, dict[str, Path]] = {}

    def candidates(self) -> list[EarlierPolicy]:
        """Portfolios of the champion and of the baseline, and the champion's policy for each weight vector."""
        if self._champion is None or self._champion.selection is None:
            return []
        plan = self._champion.plan
        before: dict[str, Candidate] = {}
        for build in (self._champion, *self._baseline):
            for record in build.selection.policies if build.selection is not None else ():
                if record.policy in build.selection.portfolio or (build is self._champion and not record.earlier):
                    before.setdefault(record.policy, record)
        folders = self._fetched(list(before))
        policies = {name: Policy.read(folder) for name, folder in folders.items() if before[name].guard is None}
        usable = {name: policy for name, policy in policies.items() if self._over_this_base(policy)}
        self._measure(list(usable))
        shortfalls = {} if plan is None else plan.shortfalls
        return [
            earlier_policy(
                self._config,
                policy,
                Evaluation.read(self._folder / EVALUATIONS / name),
                prompts=self._prompts,
                # Of a policy that was reused then, the build before knows the shortfall.
                shortfall_when_trained=shortfalls.get(name, before[name].shortfall),
                adapter=is_adapter(folders[name]),
            )
            for name, policy in usable.items()
        ]

    def measure_champion(self, plan: Plan) -> Champion:
        """Measure the plan's candidates and the portfolios that the gate compares with."""
        self._measure(plan.earlier, self._champion)
        if self._champion is None:
            return Champion()
        baseline = tuple(self._measure_if_there(build) for build in self._baseline)
        return Champion(**dict(self._measure_portfolio(self._champion)), baseline=baseline)

    def _measure_if_there(self, build: PastBuild) -> EarlierChampion:
        try:
            return self._measure_portfolio(build)
        except ModelError as error:
            return EarlierChampion(version=build.version, incomparable=f"it is damaged ({error})")

    def _measure_portfolio(self, build: PastBuild) -> EarlierChampion:
        version, selection = build.version, build.selection
        if selection is None:
            return EarlierChampion(version=version, incomparable="nothing is recorded of its policies")
        folders = self._fetched(selection.portfolio, build)
        comparable = all(self._over_this_base(Policy.read(folder)) for folder in folders.values())
        if comparable:
            self._measure(selection.portfolio, build)
        incomparable = "" if comparable else "it is over another base model"
        return EarlierChampion(version=version, members=selection.portfolio, incomparable=incomparable)

    def trained_from_base(self, plan: Plan) -> int:
        from_base = [training.weights for training in plan.trainings if not training.keep and not training.start]
        return sum(not self._store.has(self.name_of_new_training(weights)) for weights in from_base)

    def name_of_new_training(self, weights: Vector) -> str:
        return training_task(
            self._config,
            weights,
            base_model=self._digest,
            prompts=self._prompts,
            rewards=[source.fingerprint for source in self._inputs.rewards],
        ).name

    def _fetched(self, names: tuple[str, ...] | list[str], build: PastBuild | None = None) -> dict[str, Path]:
        """Folders of policies from the storage, and of a build also those that only its registered version has."""
        folders = {}
        for name in names:
            folder = self._scratch / name
            mark_use(self._store.root, name)
            if folder.exists() or self._store.fetch(name, folder):
                folders[name] = folder
            elif build is not None and name in (registered := self._registered(build.version)):
                folders[name] = registered[name]
            elif build is not None:
                raise ModelError(
                    f"policy {name} of {self._config.registry.model} version {build.version}",
                    rule=f"is neither in {self._store.root} nor among the version's files",
                    remedy="run again",
                )
        return folders

    def _registered(self, version: str) -> dict[str, Path]:
        if version not in self._downloaded:
            folder = self._scratch / f"registered-{version}"
            self._downloaded[version] = download_policies(promotions(self._config), version, folder)
        return self._downloaded[version]

    def _over_this_base(self, policy: Policy) -> bool:
        definition = policy.definition or {}
        return (definition.get("base_model"), definition.get("dtype")) == (self._digest, self._config.base_model.dtype)

    def _measure(self, names: tuple[str, ...] | list[str], build: PastBuild | None = None) -> None:
        """Evaluate policies that are not evaluated yet, under the present objectives."""
        places = {name: self._folder / EVALUATIONS / name for name in names}
        folders = self._fetched([name for name, place in places.items() if not place.exists()], build)
        remapped = {name: self._remapped(name, folder) for name, folder in folders.items()}
        evaluate_policies(
            self._config,
            policies=list(remapped.values()),
            base_model=self._base_model,
            rollouts=self._rollouts,
            destinations=[places[name] for name in remapped],
        )
        for name, folder in remapped.items():
            shutil.copyfile(folder / Policy.FILE, places[name] / Policy.FILE)

    def _remapped(self, name: str, folder: Path) -> Path:
        """The same files, with the weights of the present objectives in policy.json."""
        remapped = self._scratch / f"{name}-remapped"
        remapped.mkdir()
        for path in folder.iterdir():
            if path.name != Policy.FILE:
                (remapped / path.name).symlink_to(path.resolve())
        policy, names = Policy.read(folder), self._config.reward_names
        weights = remapped_weights(policy, names)
        policy.model_copy(update={"weights": weights, "reward_names": tuple(names)}).write(remapped)
        return remapped

    @cached_property
    def _inputs(self) -> Inputs:
        return load_inputs(self._config, self._rollouts)
