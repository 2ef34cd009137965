"""Where the outcome of a failed build is recorded."""

import mlflow
import pytest

from palm.builds.outcome import read_outcome
from palm.builds.records import BUILD_VARIABLE, recorded
from palm.errors import PreemptedError, TrainingError
from palm.steps.record_outcome import record_outcome
from palm.storage.records import Records

TRAINED = {"weights": [1.0, 0.0], "reused": False, "start": None, "device_seconds": 30.0, "guard": None}


@pytest.mark.parametrize("home", ["folder", "s3"])
def test_a_failure_is_in_the_file_the_storage_and_mlflow(config, tmp_path, monkeypatch, request, home):
    if home == "s3":
        request.getfixturevalue("s3")
        config = config.model_copy(update={"storage": config.storage.model_copy(update={"root": "s3://palm/store"})})
    monkeypatch.setenv(BUILD_VARIABLE, "run-1")
    root = config.storage.root
    with recorded(root, "train_policy", "1 0") as result:
        result.update(TRAINED)
    for attempt in range(2):
        with pytest.raises(PreemptedError), recorded(root, "train_policy", "0.5 0.5"):
            raise PreemptedError("policy-2", rule=f"was stopped | time {attempt}", remedy="run again")
    with pytest.raises(TrainingError), recorded(root, "train_policy", "0 1"):
        raise TrainingError("policy-3", rule="loss is not a number", remedy="lower training.learning_rate")
    outcome = record_outcome(config, "run-1", tmp_path / "outcome.md", tmp_path / "page.html", only_if_changed=False)
    text = (tmp_path / "outcome.md").read_text()
    assert "| train_policy | 0 1 | 1 | `policy-3: loss is not a number; lower training.learning_rate` |" in text
    assert "| train_policy | 0.5 0.5 | 2 | `policy-2: was stopped \\| time 1; run again` |" in text
    assert "1 trained, 0 reused, 2 failed" in text and "the next run reuses it" in text
    assert Records(root).read("builds/run-1/build")["model"] == config.registry.model
    assert outcome.ended > 0 and read_outcome(root, "run-1") == outcome
    mlflow.set_tracking_uri(config.registry.tracking_uri)
    (run,) = mlflow.search_runs(experiment_names=["small"], output_format="list")
    assert run.info.status == "FAILED" and run.data.tags["mlflow.note.content"] == text
