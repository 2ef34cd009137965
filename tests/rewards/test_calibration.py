import numpy as np
import pytest
from support.reward_cases import load

from palm.artifacts.calibration import Calibration
from palm.errors import DataError, RewardError
from palm.rewards.calibration import calibrate, read_calibration, write_calibration
from palm.storage.files import read_json, write_json

RAW = np.array([[3.0, 0.2], [1.0, 0.4], [3.0, 0.9], [7.0, 0.3]])


@pytest.fixture
def sources():
    return [
        load("verifier:json", name="judge", normalisation={"kind": "quantile"}),
        load("verifier:length", target=3, scale=1, name="short"),
    ]


def test_what_is_written_is_read_back(sources, tmp_path):
    calibrated = calibrate(sources, RAW)
    write_calibration(tmp_path, sources, calibrated, RAW)
    assert read_calibration(tmp_path, sources) == calibrated
    assert read_json(tmp_path / Calibration.FILE)["rewards"]["judge"] == {
        "fingerprint": sources[0].fingerprint,
        "normalisation": {"kind": "quantile", "values": [1.0, 3.0, 7.0], "levels": [0.125, 0.5, 0.875]},
        "responses": 4,
        "raw_minimum": 1.0,
        "raw_median": 3.0,
        "raw_maximum": 7.0,
    }


def test_fingerprints_follow_the_calibration_where_there_is_one(sources):
    first, second = calibrate(sources, RAW), calibrate(sources, RAW + 1.0)
    assert len({sources[0].fingerprint, first[0].fingerprint, second[0].fingerprint}) == 3
    assert first[0].fingerprint == calibrate(sources, RAW)[0].fingerprint
    assert sources[1] is first[1] is second[1]


def test_rollouts_of_another_reward_are_refused(sources, tmp_path):
    write_calibration(tmp_path, sources, calibrate(sources, RAW), RAW)
    edited = load("verifier:json", name="judge", required=["a"], normalisation={"kind": "quantile"})
    unknown = load("verifier:json", name="new")
    for other in (edited, unknown):
        with pytest.raises(DataError, match=rf"{other.spec.name}.*not scored by this reward as it is now.*sample_ref"):
            read_calibration(tmp_path, [other, sources[1]])


def test_a_missing_or_damaged_file_is_an_error(sources, tmp_path):
    with pytest.raises(DataError, match=Calibration.FILE):
        read_calibration(tmp_path, sources)
    write_calibration(tmp_path, sources, calibrate(sources, RAW), RAW)
    content = read_json(tmp_path / Calibration.FILE)
    content["rewards"]["judge"]["normalisation"]["values"] = [3, 1, 7]
    write_json(tmp_path / Calibration.FILE, content)
    with pytest.raises(DataError, match=f"{Calibration.FILE}: reward 'judge'"):
        read_calibration(tmp_path, sources)


def test_a_constant_reward_is_named(sources):
    with pytest.raises(RewardError, match=r"'judge' gave 0 for all 2 responses"):
        calibrate(sources, np.zeros((2, 2)))
