"""Step: how the policy of each weight vector is to be had: kept, trained on from an earlier one, or trained anew.

A changed reward makes old adapters neither worthless nor right. So the champion's policies are measured under the
present rewards first: they are candidates for the portfolio, starts of new trainings, and what the gate compares with.
"""

import json
import shutil
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from palm.builds.inputs import Inputs, base_model_digest, load_inputs
from palm.builds.rebuild.candidates import (
    CHAMPION,
    EVALUATIONS,
    PLAN,
    POLICY,
    EarlierPolicy,
    earlier_policy,
    weights_here,
)
from palm.builds.rebuild.choice import choose_training
from palm.builds.records import mark_use
from palm.config.portfolio import PortfolioConfig
from palm.errors import StorageError
from palm.models.policies import is_adapter
from palm.progress import Stage, stage
from palm.promotion.past_builds import PastBuild, champion_build, download_policies, newest_build
from palm.steps.evaluate_policies import evaluate_policies
from palm.storage.digest import file_digest
from palm.storage.files import new_folder, read_json, write_json
from palm.storage.local_file import local_file
from palm.storage.store import Store
from palm.training.task import training_task


def plan_training(
    config: PortfolioConfig, snapshot: str = "", *, base_model: Path, rollouts: Path, design: Path, destination: Path
) -> dict:
    """Measure the champion's policies under the present rewards and decide what has to be trained.

    A build of the same inputs and settings of rebuilds as one that is registered takes over its plan, so that both end
    in the same portfolio, whatever has been promoted in between.

    Args:
        config: the configuration.
        snapshot: what the build is made from (`palm.builds.rebuild.snapshot`), JSON text; empty outside of a build.
        base_model: prepared base model.
        rollouts: folder of the step sample_reference.
        design: JSON file of the step design_grid.
        destination: folder to make: plan.json, champion.json and ``evaluations/NAME`` for every earlier policy, each
            with its policy.json.

    Returns:
        The content of plan.json: ``trainings``, for each weight vector of the design ``weights``, ``keep`` (name of
        the policy that stays) and ``start`` (name of the policy that the training starts from), both empty where it is
        trained from the base model, if it is not in the storage already; ``earlier``, names of the earlier policies
        that are candidates; ``from_version``, the champion they are from (null for none); ``shortfalls``, of each kept
        policy how far below J* its training left it; ``rebuild``, the settings; and the numbers ``kept`` (in the
        storage), ``continued`` and ``anew`` of trainings.

    Raises:
        PalmError: an input is unusable, or MLflow or the storage fails.
    """
    with stage("plan_training", config.registry.model) as progress, new_folder(destination) as folder:
        weights = read_json(design)["weights"]
        champion = champion_build(config.registry)
        with TemporaryDirectory() as scratch:
            planner = _Planner(config, champion, base_model, rollouts, folder, Path(scratch), progress)
            plan = _adopted(config, champion, snapshot, weights) or planner.plan(weights)
            planner.measure_champion(plan)
            anew = planner.anew(plan)
        write_json(folder / PLAN, plan)
    continued = sum(bool(entry["start"]) for entry in plan["trainings"])
    return {**plan, "kept": len(weights) - continued - anew, "continued": continued, "anew": anew}


def _adopted(config: PortfolioConfig, champion: PastBuild | None, snapshot: str, weights: list) -> dict | None:
    """The plan of a registered build of the same, as long as all policies that it names are in the storage."""
    store = Store(config.storage.root)
    for build in (newest_build(config.registry), champion):
        if not snapshot or build is None or build.plan is None or build.snapshot != json.loads(snapshot):
            continue
        plan = build.plan
        if plan.get("rebuild") != config.rebuild.model_dump():
            continue
        named = {*plan["earlier"], *(entry[key] for entry in plan["trainings"] for key in ("keep", "start"))} - {""}
        for name in named:
            mark_use(store.root, name)
        if [entry["weights"] for entry in plan["trainings"]] == weights and all(store.has(name) for name in named):
            return plan
    return None


class _Planner:
    """Measures earlier policies, each at most once, and plans with what it finds."""

    def __init__(
        self,
        config: PortfolioConfig,
        champion: PastBuild | None,
        base_model: Path,
        rollouts: Path,
        folder: Path,
        scratch: Path,
        progress: Stage,
    ):
        self._config, self._champion = config, champion
        self._base_model, self._rollouts = base_model, rollouts
        self._folder, self._scratch, self._progress = folder, scratch, progress
        self._store = Store(config.storage.root)
        self._downloaded: dict[str, Path] = {}
        self._digest = base_model_digest(base_model)
        self._prompts = file_digest(local_file(config.prompts.train))

    def plan(self, weights: list[list[float]]) -> dict:
        candidates = self._candidates() if self._config.rebuild.from_champion else []
        reference = read_json(self._rollouts / "reference.json")["rewards"]
        means = np.array([reference[name]["mean"] for name in self._config.reward_names])
        names = {candidate.name for candidate in candidates}
        trainings = []
        for vector in weights:
            known = self._name_of_new_training(vector)
            # Before looking: garbage collection must not take it until the training fetches it.
            mark_use(self._store.root, known)
            if self._store.has(known):
                # What a killed build of the same has trained is found when it is trained, so that the plan, which is
                # part of the portfolio's content, is the same as that of the killed one.
                trainings.append({"weights": vector, "keep": known if known in names else "", "start": ""})
            else:
                choice = choose_training(np.array(vector), candidates, reference=means)
                trainings.append({"weights": vector, "keep": choice.keep, "start": choice.start})
        kept = {entry["keep"] for entry in trainings}
        return {
            "trainings": trainings,
            "earlier": [candidate.name for candidate in candidates],
            "from_version": self._champion.version if self._champion and candidates else None,
            "shortfalls": {entry.name: entry.shortfall_when_trained for entry in candidates if entry.name in kept},
            "rebuild": self._config.rebuild.model_dump(),
        }

    def anew(self, plan: dict) -> int:
        """How many policies the plan has trained from the base model, of those that nobody has trained yet."""
        from_base = [entry["weights"] for entry in plan["trainings"] if not entry["keep"] and not entry["start"]]
        return sum(not self._store.has(self._name_of_new_training(vector)) for vector in from_base)

    def measure_champion(self, plan: dict) -> None:
        """Write what the gate compares with: the champion's portfolio under the present rewards."""
        self._measure(plan["earlier"])
        record = {"version": None, "members": [], "incomparable": ""}
        if self._champion is not None and self._champion.selection is None:
            record |= {"version": self._champion.version, "incomparable": "nothing is recorded of its policies"}
        elif self._champion is not None:
            members = self._champion.selection["portfolio"]
            record |= {"version": self._champion.version, "members": members}
            folders = self._fetched(members, from_registry=True)
            others = [name for name, folder in folders.items() if not self._over_this_base(folder)]
            if others:
                record["incomparable"] = "it is over another base model"
            else:
                self._measure(members)
        write_json(self._folder / CHAMPION, record)

    def _candidates(self) -> list[EarlierPolicy]:
        """The policies of the champion's build: its portfolio, and what it had for each weight vector."""
        if self._champion is None or self._champion.selection is None:
            return []
        selection = self._champion.selection
        records = [
            record
            for record in selection["policies"]
            if not record.get("earlier") or record["policy"] in selection["portfolio"]
        ]
        folders = self._fetched([record["policy"] for record in records], from_registry=False)
        unmarked = [record for record in records if record["policy"] in folders and record["guard"] is None]
        usable = [record for record in unmarked if self._over_this_base(folders[record["policy"]])]
        self._measure([record["policy"] for record in usable])
        shortfalls = (self._champion.plan or {}).get("shortfalls", {})
        return [
            earlier_policy(
                self._config,
                before=record,
                prompts=self._prompts,
                now=read_json(self._folder / EVALUATIONS / record["policy"] / "evaluation.json"),
                definition=read_json(folders[record["policy"]] / POLICY)["definition"],
                shortfall_when_trained=shortfalls.get(record["policy"]),
                adapter=is_adapter(folders[record["policy"]]),
            )
            for record in usable
        ]

    def _fetched(self, names: list[str], *, from_registry: bool) -> dict[str, Path]:
        """Folders of policies, from the storage; of those that it lacks, from the registered version if wanted."""
        folders = {}
        for name in names:
            folder = self._scratch / name
            mark_use(self._store.root, name)
            if folder.exists() or self._store.fetch(name, folder):
                folders[name] = folder
        missing = [name for name in names if name not in folders]
        if missing and from_registry:
            folders |= self._registered(missing)
        return folders

    def _registered(self, names: list[str]) -> dict[str, Path]:
        """Folders of policies that the storage lacks, from the champion's version."""
        place = self._scratch / "registered"
        kept = {}
        if self._champion is not None:
            kept = self._downloaded = self._downloaded or download_policies(
                self._config.registry, self._champion.version, place
            )
        gone = [name for name in names if name not in kept]
        if gone:
            raise StorageError(f"{self._store.root}/{gone[0]}", rule="is not there any more", remedy="run again")
        return {name: kept[name] for name in names}

    def _over_this_base(self, folder: Path) -> bool:
        definition = read_json(folder / POLICY)["definition"]
        return definition["base_model"] == self._digest and definition["dtype"] == self._config.base_model.dtype

    def _measure(self, names: list[str]) -> None:
        """Evaluate policies that are not evaluated yet, under the present objectives."""
        places = {name: self._folder / EVALUATIONS / name for name in names}
        folders = self._fetched([name for name, place in places.items() if not place.exists()], from_registry=True)
        here = {name: self._under_present_objectives(name, folder) for name, folder in folders.items()}
        evaluate_policies(
            self._config,
            policies=list(here.values()),
            base_model=self._base_model,
            rollouts=self._rollouts,
            destinations=[places[name] for name in here],
        )
        for name, folder in here.items():
            shutil.copyfile(folder / POLICY, places[name] / POLICY)

    def _under_present_objectives(self, name: str, folder: Path) -> Path:
        """The same files but for policy.json, the only one that knows of objectives."""
        here = self._scratch / f"{name}-here"
        here.mkdir()
        for path in folder.iterdir():
            (here / path.name).symlink_to(path.resolve())
        record = read_json(folder / POLICY)
        (here / POLICY).unlink()
        write_json(here / POLICY, {**record, **weights_here(self._config, record)})
        return here

    def _name_of_new_training(self, weights: list[float]) -> str:
        return training_task(
            self._config,
            weights,
            base_model=self._digest,
            prompts=self._prompts,
            rewards=[source.fingerprint for source in self._inputs.rewards],
        ).name

    @cached_property
    def _inputs(self) -> Inputs:
        return load_inputs(self._config, self._rollouts)
