"""Calibration of rewards: normalisations fitted to the reference's rollouts and stored with them.

Training and certification need the same scale. So missing numbers of a normalisation are fitted once, by the step that
samples the reference, and read by every later step.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from palm.artifacts.calibration import CalibratedReward, Calibration
from palm.config.normalisation import Normalisation
from palm.errors import DataError
from palm.rewards.normalisation import fit
from palm.rewards.source import RewardSource
from palm.storage.digest import value_digest


def calibrate(sources: list[RewardSource], raw: np.ndarray) -> list[RewardSource]:
    """Fit the normalisations with missing numbers.

    Args:
        raw: their raw scores of the reference's responses to the training prompts, shape (n, d).

    Raises:
        RewardError: raw scores do not determine a normalisation.
    """
    return [
        _fitted(source, fit(source.spec.normalisation, raw[:, index], name=source.spec.name))
        for index, source in enumerate(sources)
    ]


def write_calibration(
    folder: Path, sources: list[RewardSource], calibrated: list[RewardSource], raw: np.ndarray
) -> None:
    """Write calibration.json, with a summary of the raw scores.

    Args:
        sources: rewards as configured, length d.
        calibrated: the same from `calibrate`.
    """
    entries = {
        source.spec.name: CalibratedReward(
            fingerprint=source.fingerprint,
            normalisation=fitted.spec.normalisation.model_dump(mode="json"),
            responses=raw.shape[0],
            raw_minimum=float(raw[:, index].min()),
            raw_median=float(np.median(raw[:, index])),
            raw_maximum=float(raw[:, index].max()),
        )
        for index, (source, fitted) in enumerate(zip(sources, calibrated, strict=True))
    }
    Calibration(rewards=entries).write(folder)


def read_calibration(folder: Path, sources: list[RewardSource]) -> list[RewardSource]:
    """Put the normalisations stored in the reference's rollouts into rewards as configured.

    Raises:
        DataError: the file is missing, or the rollouts were scored by other rewards than these.
    """
    entries, place = Calibration.read(folder).rewards, folder / Calibration.FILE
    calibrated = []
    for source in sources:
        entry = entries.get(source.spec.name)
        if entry is None or entry.fingerprint != source.fingerprint:
            raise DataError(
                f"{place}: reward {source.spec.name!r}",
                rule="the rollouts were not scored by this reward as it is now",
                remedy="run the step sample_reference again",
            )
        try:
            rule = type(source.spec.normalisation).model_validate(entry.normalisation)
        except ValidationError as error:
            raise DataError(
                f"{place}: reward {source.spec.name!r}",
                rule=f"holds no {source.spec.normalisation.kind} normalisation ({error.errors()[0]['msg']})",
                remedy="run the step sample_reference again",
            ) from error
        calibrated.append(_fitted(source, rule))
    return calibrated


def _fitted(source: RewardSource, rule: Normalisation) -> RewardSource:
    if rule == source.spec.normalisation:
        return source
    fingerprint = value_digest({"reward": source.fingerprint, "calibrated": rule.model_dump(mode="json")})
    return replace(source, spec=source.spec.model_copy(update={"normalisation": rule}), fingerprint=fingerprint)
