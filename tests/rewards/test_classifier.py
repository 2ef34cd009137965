import json
import logging
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from support.errors import one_line
from support.reward_cases import LABELS, load, train_classifier
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from palm.errors import RewardError
from palm.models.prompts import PromptSet
from palm.rewards.classifier.sequence_model import load_sequence_model
from palm.rewards.scoring import raw_scores, score_one

PROMPTS = PromptSet(["say tea", "say sky", "say oak", "say tea", "say bread and stone"], {})
WEIGHTS = "model.safetensors"
RESPONSES = ["sky sky", "tea tea", "oak bread stone crypt area", "", "tea"]


@pytest.fixture(scope="module")
def classifier(base_model, tmp_path_factory):
    return train_classifier(base_model, tmp_path_factory.mktemp("classifier"))


@pytest.fixture
def copy(classifier, tmp_path):
    """The classifier's folder, to be changed."""
    shutil.copytree(classifier, tmp_path / "copy")
    return tmp_path / "copy"


def edit_json(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def direct_logits(folder) -> torch.Tensor:
    """One response at a time, by transformers alone."""
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = []
    for prompt, response in zip(PROMPTS.texts, RESPONSES, strict=True):
        if tokenizer.chat_template is None:
            inputs = tokenizer(prompt, response, return_tensors="pt")
        else:
            turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]
            inputs = tokenizer.apply_chat_template(turns, return_tensors="pt", return_dict=True)
        with torch.no_grad():
            rows.append(model(input_ids=inputs["input_ids"]).logits[0])
    return torch.stack(rows).double()


def test_a_trained_classifier_tells_two_words_apart(classifier):
    tea = score_one(load(f"hf:{classifier}", label="tea"), PROMPTS, RESPONSES)
    oak = score_one(load(f"hf:{classifier}", label=2), PROMPTS, RESPONSES)
    assert (tea[[1, 4]] > 0.9).all() and (tea[[0, 2]] < 0.1).all()
    assert oak[2] > 0.9 and (oak[[0, 1, 4]] < 0.1).all()


@pytest.mark.parametrize("template", [True, False], ids=["chat template", "text pair"])
def test_values_are_those_of_transformers_whatever_shares_the_batch(copy, template):
    if not template:
        (copy / "chat_template.jinja").unlink()
    logits = direct_logits(copy)
    for label, name in enumerate(LABELS):
        for size in (1, 2, 32):
            raw = raw_scores([load(f"hf:{copy}", label=name, output="logit", batch_size=size)], PROMPTS, RESPONSES)
            assert raw[:, 0] == pytest.approx(logits[:, label].numpy(), abs=1e-5)
        probability = score_one(load(f"hf:{copy}", label=name), PROMPTS, RESPONSES)
        assert probability == pytest.approx(logits.softmax(dim=1)[:, label].numpy(), abs=1e-6)


def test_only_models_that_padding_does_not_change_are_padded(classifier, copy):
    def pads(folder) -> bool:
        return load_sequence_model(folder, str(folder), "float32", ("input_ids",)).pads

    assert pads(classifier)
    edit_json(copy / "config.json", pad_token_id=None)
    assert not pads(copy)


@pytest.mark.parametrize(
    "edits",
    [
        {"config.json": {"pad_token_id": None}, "tokenizer_config.json": {"pad_token": None}},
        # Padded with another token than the model skips, the last pad would be scored instead of the response.
        {"tokenizer_config.json": {"pad_token": "<|end|>"}},
    ],
    ids=["none", "another than the tokenizer's"],
)
def test_the_last_token_is_scored_in_any_batch_whatever_the_models_pad_token(copy, edits):
    for name, changes in edits.items():
        edit_json(copy / name, **changes)
    logits = direct_logits(copy)
    raw = raw_scores([load(f"hf:{copy}", label=1, output="logit")], PROMPTS, RESPONSES)
    assert raw[:, 0] == pytest.approx(logits[:, 1].numpy(), abs=1e-5)


def test_a_model_that_padding_would_change_is_never_padded(tmp_path, classifier):
    from transformers import XLNetConfig, XLNetForSequenceClassification

    # XLNet reads the last place, which holds a pad in a batch that is padded on the right.
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(classifier)
    config = XLNetConfig(
        vocab_size=len(tokenizer), d_model=16, n_layer=1, n_head=2, d_inner=16, pad_token_id=0, num_labels=2
    )
    XLNetForSequenceClassification(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    source = load(f"hf:{tmp_path}", label=0, output="logit")
    together = raw_scores([source], PROMPTS, RESPONSES)[:, 0]
    alone = [raw_scores([source], PROMPTS.take([i]), [RESPONSES[i]])[0, 0] for i in range(len(RESPONSES))]
    assert together == pytest.approx(alone, abs=1e-5)


@pytest.mark.parametrize(
    ("labels", "config", "activation"),
    [
        (["tea"], {}, torch.sigmoid),
        (LABELS, {"problem_type": "multi_label_classification"}, torch.sigmoid),
        (LABELS, {"problem_type": "single_label_classification"}, lambda logits: logits.softmax(dim=1)),
    ],
)
def test_probability_is_what_the_model_was_trained_for(base_model, tmp_path, labels, config, activation):
    folder = train_classifier(base_model, tmp_path, labels, **config)
    label = labels.index("tea")
    keys = {} if len(labels) == 1 else {"label": "tea"}
    values = score_one(load(f"hf:{folder}", **keys), PROMPTS, RESPONSES)
    assert values == pytest.approx(activation(direct_logits(folder))[:, label].numpy(), abs=1e-6)
    assert values[1] > 0.8 and values[2] < 0.2


def test_bfloat16_is_close(classifier):
    values = [
        score_one(load(f"hf:{classifier}", label=1, dtype=dtype), PROMPTS, RESPONSES)
        for dtype in ("float32", "bfloat16")
    ]
    assert np.allclose(*values, atol=0.1) and not np.array_equal(*values)


def test_an_input_too_long_is_an_error_or_cut_with_a_warning(copy, caplog):
    edit_json(copy / "config.json", max_position_embeddings=40)
    long = [*RESPONSES[:4], "tea " * 60]
    with pytest.raises(RewardError, match=r"response 4 \('tea tea.*has \d+ tokens, the model reads 40; set max_tokens"):
        score_one(load(f"hf:{copy}", label=1), PROMPTS, long)
    with caplog.at_level(logging.WARNING, "palm"):
        cut = score_one(load(f"hf:{copy}", label=1, max_tokens=40), PROMPTS, long)
    assert "1 of 5 inputs were cut to max_tokens=40" in caplog.text and "'mine'" in caplog.text
    assert cut[4] > 0.9
    caplog.clear()
    with caplog.at_level(logging.WARNING, "palm"):
        score_one(load(f"hf:{copy}", label=1, max_tokens=40), PROMPTS, RESPONSES)
    assert not caplog.text
    (copy / "chat_template.jinja").unlink()
    assert score_one(load(f"hf:{copy}", label=1, max_tokens=40), PROMPTS, long).shape == (5,)


def edit_weights(folder, edit):
    weights = load_file(folder / WEIGHTS)
    edit(weights)
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})


def head_lost(folder):
    edit_weights(folder, lambda weights: weights.pop("score.weight"))


def unchanged(folder):
    pass


def with_config(**changes):
    return lambda folder: edit_json(folder / "config.json", **changes)


TEA = {"label": 1}
UNUSABLE = {
    "no label chosen": (unchanged, {}, ["has 3 labels, and none is chosen", "0: neither, 1: tea, 2: oak"]),
    "unknown name": (unchanged, {"label": "ash"}, ["label='ash'", "does not exist", "2: oak"]),
    "unknown index": (unchanged, {"label": 3}, ["label=3", "does not exist", "2: oak"]),
    "negative index": (unchanged, {"label": -1}, ["label=-1", "does not exist"]),
    "max_tokens too large": (unchanged, TEA | {"max_tokens": 5000}, ["max_tokens=5000", "at most 1024"]),
    "regression": (with_config(problem_type="regression"), TEA, ["trained for regression", "output: logit"]),
    "a language model": (
        with_config(architectures=["LlamaForCausalLM"]),
        TEA,
        ["is a LlamaForCausalLM, not a …ForSequenceClassification"],
    ),
    "code of its own": (
        with_config(model_type="odd", auto_map={"AutoConfig": "odd.Odd", "AutoModel": "odd.Odd"}),
        TEA,
        ["config.json cannot be read"],
    ),
    "a size that is none": (with_config(hidden_size=None), TEA, ["config.json cannot be read"]),
    "no head": (head_lost, TEA, ["no weights for score.weight", "not a trained classifier"]),
    "pickled": (
        lambda folder: (folder / WEIGHTS).rename(folder / "pytorch_model.bin"),
        TEA,
        ["holds no *.safetensors", "never read"],
    ),
    "no tokenizer": (
        lambda folder: [path.unlink() for path in folder.glob("tokenizer*")],
        TEA,
        ["tokenizer cannot be loaded"],
    ),
    "damaged weights": (lambda folder: (folder / WEIGHTS).write_bytes(b"x" * 100), TEA, ["cannot be loaded"]),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_a_classifier_that_cannot_be_used_is_an_error(copy, case):
    change, keys, words = UNUSABLE[case]
    change(copy)
    with one_line(RewardError, str(copy), *words):
        score_one(load(f"hf:{copy}", **keys), PROMPTS, RESPONSES)


def test_fingerprint_follows_weights_and_the_options_that_decide_a_value(classifier, copy):
    first = load(f"hf:{classifier}", label=1).fingerprint
    assert load(f"hf:{copy}", label="tea", batch_size=3, name="other").fingerprint == first
    (copy / "README.md").write_text("words")
    assert load(f"hf:{copy}", label=1).fingerprint == first
    others = [
        load(f"hf:{copy}", label=2),
        load(f"hf:{copy}", label=1, output="logit"),
        load(f"hf:{copy}", label=1, max_tokens=30),
        load(f"hf:{copy}", label=1, dtype="bfloat16"),
    ]
    edit_weights(copy, lambda weights: weights["score.weight"][0, 0].add_(1))
    others.append(load(f"hf:{copy}", label=1))
    (copy / "chat_template.jinja").write_text("{{ messages }}")
    others.append(load(f"hf:{copy}", label=1))
    assert len({first, *(other.fingerprint for other in others)}) == 7


def test_weights_that_change_are_loaded_again(copy):
    before = raw_scores([load(f"hf:{copy}", label=1, output="logit")], PROMPTS, RESPONSES)
    edit_weights(copy, lambda weights: weights["score.weight"].mul_(2))
    after = raw_scores([load(f"hf:{copy}", label=1, output="logit")], PROMPTS, RESPONSES)
    assert after == pytest.approx(2 * before, rel=1e-4)


def test_hub_models_are_pinned_and_a_hub_that_is_away_is_one_line():
    with pytest.raises(RewardError, match=r"uri='hf:org/model': names no revision.*write hf:org/model@REVISION"):
        load("hf:org/model")
    with pytest.raises(RewardError, match="/no/such/folder'?: is not a folder"):
        load("hf:/no/such/folder")
    # In a process of its own: the hub's address is read when its client is imported.
    program = (
        "from palm.config.rewards import Classifier; from palm.rewards.source import load_reward\n"
        "load_reward(Classifier(name='mine', uri='hf:org/model@abc'))"
    )
    environment = {"HF_ENDPOINT": "http://127.0.0.1:9", "PATH": "", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=60)
    last = done.stderr.strip().splitlines()[-1]
    assert "RewardError: reward 'mine': uri='hf:org/model@abc': cannot be downloaded from the model hub" in last
    assert last.endswith("check name, revision, network and HF_TOKEN, or give a folder")


def test_a_prefix_in_s3_is_downloaded_once_and_known_by_its_content(classifier, s3, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for path in classifier.iterdir():
        s3.upload_file(str(path), "palm", f"models/judge/{path.name}")
    s3.put_object(Bucket="palm", Key="models/judge/pytorch_model.bin", Body=b"never")
    source = load("s3://palm/models/judge", label="tea")
    local = load(f"hf:{classifier}", label="tea")
    assert source.fingerprint == local.fingerprint
    assert score_one(source, PROMPTS, RESPONSES) == pytest.approx(score_one(local, PROMPTS, RESPONSES))
    (folder,) = (tmp_path / "cache").rglob("content")
    assert not (folder / "pytorch_model.bin").exists()
    stamp = (folder / WEIGHTS).stat().st_mtime_ns
    assert load("s3://palm/models/judge", label="tea").fingerprint == source.fingerprint
    assert (folder / WEIGHTS).stat().st_mtime_ns == stamp
    s3.put_object(Bucket="palm", Key="models/judge/chat_template.jinja", Body=b"{{ messages }}")
    assert load("s3://palm/models/judge", label="tea").fingerprint != source.fingerprint


def test_s3_errors_are_one_line(s3, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(
        RewardError, match=r"'mine': uri='s3://palm/nothing': cannot be downloaded from S3 .*holds no objects"
    ):
        load("s3://palm/nothing", label=0)
    with pytest.raises(RewardError, match="NoSuchBucket"):
        load("s3://no-such-bucket/judge", label=0)
    s3.put_object(Bucket="palm", Key="evil/../../config.json", Body=b"{}")
    with pytest.raises(RewardError, match="holds no"):
        load("s3://palm/evil", label=0)
