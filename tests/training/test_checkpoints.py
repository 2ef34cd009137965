import pytest

from palm.storage.store import Store
from palm.training.checkpoints import Checkpoints


@pytest.fixture
def checkpoints(root):
    return Checkpoints(Store(root), "policy-a").of("rloo")


def publish(checkpoints, folder, step: int) -> None:
    """A trainer's folder: its state, and files that no resumed training reads."""
    folder.mkdir()
    for name in ("adapter_model.safetensors", "trainer_state.json", "tokenizer.json", "training_args.bin", "README.md"):
        (folder / name).write_text(f"{name} of step {step}")
    checkpoints.publish(folder, step)


def test_the_newest_two_are_kept_without_unused_files_and_the_newest_is_read(checkpoints, tmp_path):
    assert checkpoints.latest(tmp_path) is None
    for step in (5, 10, 15):
        publish(checkpoints, tmp_path / "made", step)
        assert not (tmp_path / "made").exists()
    assert checkpoints.store.entries("checkpoints/policy-a/rloo") == ["step-00000010", "step-00000015"]
    latest = checkpoints.latest(tmp_path / "read")
    assert {path.name for path in latest.iterdir()} == {"adapter_model.safetensors", "trainer_state.json"}
    assert (latest / "trainer_state.json").read_text() == "trainer_state.json of step 15"
    earlier = checkpoints.latest(tmp_path / "earlier", up_to=14)
    assert (earlier / "trainer_state.json").read_text() == "trainer_state.json of step 10"
    assert checkpoints.latest(tmp_path / "none", up_to=9) is None


def test_legs_have_their_own_checkpoints_that_are_discarded_together(checkpoints, tmp_path):
    publish(checkpoints, tmp_path / "one", 5)
    publish(checkpoints.of("rwr"), tmp_path / "two", 7)
    other = Checkpoints(checkpoints.store, "policy-b").of("rloo")
    publish(other, tmp_path / "three", 9)
    assert "step 5" in (checkpoints.latest(tmp_path / "a") / "trainer_state.json").read_text()
    assert "step 7" in (checkpoints.of("rwr").latest(tmp_path / "b") / "trainer_state.json").read_text()
    checkpoints.discard()
    assert checkpoints.latest(tmp_path / "c") is None and checkpoints.of("rwr").latest(tmp_path / "d") is None
    assert other.latest(tmp_path / "e") is not None


def test_a_damaged_one_is_removed_and_the_one_before_it_read(checkpoints, tmp_path, request):
    for step in (5, 10):
        publish(checkpoints, tmp_path / "made", step)
    place = "checkpoints/policy-a/rloo/step-00000010"
    if checkpoints.store.root.startswith("s3://"):
        client = request.getfixturevalue("s3")
        listed = client.list_objects_v2(Bucket="palm", Prefix=f"some/prefix/{place}/sha256-")
        client.put_object(Bucket="palm", Key=listed["Contents"][0]["Key"], Body=b"cut")
    else:
        (tmp_path / "store" / place / "trainer_state.json").write_text("cut")
    assert "step 5" in (checkpoints.latest(tmp_path / "read") / "trainer_state.json").read_text()
    assert checkpoints.store.entries("checkpoints/policy-a/rloo") == ["step-00000005"]
