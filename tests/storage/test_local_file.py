import hashlib
from pathlib import Path

import pytest

from palm.config.rewards import PythonReward
from palm.errors import DamagedError, DataError, RewardError, StorageError
from palm.models.prompts import read_prompts
from palm.rewards.source import load_reward
from palm.storage.local_file import local_file


def test_a_local_path_is_left_as_it_is():
    assert local_file("/nowhere/train.jsonl") == Path("/nowhere/train.jsonl")


def test_an_object_is_downloaded_once_for_each_of_its_contents(s3, cache):
    s3.put_object(Bucket="palm", Key="a/train.jsonl", Body=b"one")
    first = local_file("s3://palm/a/train.jsonl")
    assert first.name == "train.jsonl" and first.read_bytes() == b"one" and first.parents[2] == cache
    stamp = first.stat().st_mtime_ns
    assert local_file("s3://palm/a/train.jsonl").stat().st_mtime_ns == stamp, "it was downloaded again"
    first.write_bytes(b"changed")
    assert local_file("s3://palm/a/train.jsonl").read_bytes() == b"one"
    s3.put_object(Bucket="palm", Key="a/train.jsonl", Body=b"two")
    assert local_file("s3://palm/a/train.jsonl").read_bytes() == b"two"


def test_an_address_that_promises_a_content_is_checked(s3, cache):
    digest = hashlib.sha256(b"right").hexdigest()
    address = f"s3://palm/root/inputs/{digest}/train.jsonl"
    s3.put_object(Bucket="palm", Key=f"root/inputs/{digest}/train.jsonl", Body=b"wrong")
    with pytest.raises(DamagedError, match="its address promises another"):
        local_file(address)
    assert not [path for path in cache.iterdir() if not path.name.startswith(".")]
    s3.put_object(Bucket="palm", Key=f"root/inputs/{digest}/train.jsonl", Body=b"right")
    assert local_file(address).read_bytes() == b"right"


def test_an_object_that_is_not_there(s3):
    with pytest.raises(StorageError, match=r"s3://palm/none\.jsonl: does not exist"):
        local_file("s3://palm/none.jsonl")


def test_messages_name_the_address_and_not_the_cache(s3):
    s3.put_object(Bucket="palm", Key="p.jsonl", Body=b'{"prompt": "a"}\n{')
    with pytest.raises(DataError, match=r"^s3://palm/p\.jsonl line 2: is not JSON"):
        read_prompts("s3://palm/p.jsonl")
    spec = PythonReward(name="r", uri="python:s3://palm/none.py:f")
    with pytest.raises(RewardError, match="cannot be imported .*s3://palm/none.py: does not exist"):
        load_reward(spec)


def test_a_reward_is_the_same_here_and_in_s3(s3, tmp_path):
    source = b"def f(prompts, responses, **fields):\n    return [0.5] * len(responses)\n"
    (tmp_path / "rewards.py").write_bytes(source)
    s3.put_object(Bucket="palm", Key="x/rewards.py", Body=source)
    here = load_reward(PythonReward(name="r", uri=f"python:{tmp_path / 'rewards.py'}:f"))
    there = load_reward(PythonReward(name="r", uri="python:s3://palm/x/rewards.py:f"))
    assert here.fingerprint == there.fingerprint
    assert there.function(["a"], ["b"]) == [0.5]
    s3.put_object(Bucket="palm", Key="x/rewards.py", Body=source.replace(b"0.5", b"0.6"))
    changed = load_reward(PythonReward(name="r", uri="python:s3://palm/x/rewards.py:f"))
    assert changed.fingerprint != here.fingerprint and changed.function(["a"], ["b"]) == [0.6]
