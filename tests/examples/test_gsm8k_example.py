"""The GSM8K example: data preparation, safe arithmetic, verifiable rewards, and a build of a few steps."""

import json
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.gsm8k import GSM8K, needs_gsm8k
from support.workspace import edit_config
from typer.testing import CliRunner

from palm.cli.main import app
from palm.errors import DataError
from palm.examples.gsm8k import prepare as preparation
from palm.examples.gsm8k import rewards

REWARDS = [rewards.arithmetic_validity, rewards.answer_format, rewards.brevity]
FILES = ("corpus.jsonl", "prompts_train.jsonl", "prompts_eval.jsonl")
GOOD = "She sold 48/2 = <<48/2=24>>24 clips in May.\nIn all 48+24 = <<48+24=72>>72 clips were sold.\n#### 72"


def _one(reward, response: str, **fields: str) -> float:
    return reward(["How many?"], [response], **{name: [value] for name, value in fields.items()})[0]


def _records(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _prepared(folder: Path) -> list[list[dict]]:
    return [_records(folder / name) for name in FILES]


def _problem(number: int) -> dict:
    return {
        "question": f"Ann has {number} pens and buys one. How many?",
        "answer": f"She has {number}+1=<<{number}+1={number + 1}>>{number + 1} pens.\n#### {number + 1:,}",
    }


@pytest.fixture
def data(tmp_path) -> Path:
    """A small folder in GSM8K's form, with enough short problems, long ones and a repeat."""
    folder = tmp_path / "data"
    folder.mkdir()
    long = {"question": "Why? " * 80, "answer": "1+1=<<1+1=2>>2\n#### 2"}
    train = [_problem(number) for number in range(900, 1300)]
    test = [_problem(number) for number in range(1250, 1700)]
    for name, problems in (("train", train), ("test", test)):
        (folder / f"{name}.jsonl").write_text("\n".join(json.dumps(p) for p in [*problems, long]), encoding="utf-8")
    return folder


_numbers = st.one_of(
    st.integers(0, 10**6).map(lambda n: (str(n), Fraction(n))),
    st.decimals(0, 1000, places=2).map(lambda n: (str(n), Fraction(n))),
)


def _combine(children):
    def join(parts):
        (left, x), operator, (right, y) = parts
        value = None
        if x is not None and y is not None and not (operator == "/" and y == 0):
            value = {"+": x.__add__, "-": x.__sub__, "*": x.__mul__, "/": x.__truediv__}[operator](y)
        return f"({left}{operator}{right})", value

    negate = children.map(lambda part: (f"-{part[0]}", None if part[1] is None else -part[1]))
    return st.one_of(st.tuples(children, st.sampled_from("+-*/"), children).map(join), negate)


_expressions = st.recursive(_numbers, _combine, max_leaves=4)


@given(_expressions, st.integers(0, 3))
def test_arithmetic_agrees_with_exact_fractions(expression, places):
    text, value = expression
    if value is None:
        # A division by zero somewhere inside.
        assert not rewards.is_true(f"{text}=1")
        return
    stated = _decimal(value, places)
    wrong = str(int(value) + (2 if value >= 0 else -2))
    if len(text) + max(len(stated), len(wrong)) < rewards.MAX_EXPRESSION_CHARACTERS:
        assert rewards.is_true(f"{text}={stated}")
        assert not rewards.is_true(f"{text}={wrong}")


def _decimal(value: Fraction, places: int) -> str:
    scaled = round(value * 10**places)
    whole, part = divmod(abs(scaled), 10**places)
    return ("-" if scaled < 0 else "") + str(whole) + (f".{part:0{places}d}" if places else "")


@pytest.mark.parametrize(
    "annotation",
    [
        "48/2=24", "50*0.2=10", "5*.25=1.25", "100*3/4=75", "(75/100)*100=75", "8*18=144.00", "-5+3=-2", "2-7=-5",
        "560//10=56", "$5*3=$15", "1,200*2=2,400", "10/3=3.33", "2/3=.67", "2/3=0.667", "0.1+0.2=0.3", " 2 + 2 = 4 ",
        "1.005*1=1.01",
    ],
)  # fmt: skip
def test_true_annotations(annotation):
    assert rewards.is_true(annotation)


@pytest.mark.parametrize(
    "annotation",
    [
        "48/2=25", "10/3=3.34", "2/3=.66", "1/0=0", "1//0=0", "0/0=1", "1/(2-2)=5", "2+2", "=4", "2+=4", "2+2=",
        "2+2==4", "2+2=4=4", "(2+2=4", "2+2=four", "x+2=4", "2(3)=6", "1,2+1=13", "2+2=4,0", "5%2=1", "2+2=-", "",
        "=", "2+2=1e9",
    ],
)  # fmt: skip
def test_false_or_malformed_annotations(annotation):
    assert not rewards.is_true(annotation)


@pytest.mark.parametrize(
    "annotation",
    [
        "__import__('os').system('true')=0", "().__class__=1", "9**9**9=1", "9**9**9**9**9=9", "1<<99999999=1",
        "'a'*10**9=1", "[1]*3=1", "lambda:1=1", "(yield)=1", "f()=1", "9" * 10_000 + "+1=1", "1+" * 5_000 + "1=5001",
        "(" * 5_000 + "1" + ")" * 5_000 + "=1", "-" * 10_000 + "1=1", "(" * 9 + "1+1" + ")" * 9 + "=2", "1j*1j=-1",
        "True+1=2", "1 if 1 else 1=1", "1+1=" + "9" * 10_000, "0x10+1=17", "1_0+1=11", "\x00+1=1", "١+1=2", "1+1=٢",
    ],
)  # fmt: skip
def test_hostile_annotations_are_false_at_once(annotation):
    start = time.perf_counter()
    assert rewards.is_true(annotation) is False
    assert _one(rewards.arithmetic_validity, f"<<{annotation}>>") == 0.0
    assert time.perf_counter() - start < 0.5


@given(st.text(alphabet="0123456789+-*/(). ,$=%e_", max_size=80))
def test_any_annotation_gets_a_verdict(annotation):
    assert rewards.is_true(annotation) in (True, False)


def test_validity_is_the_share_of_true_annotations():
    assert _one(rewards.arithmetic_validity, GOOD) == 1.0
    assert _one(rewards.arithmetic_validity, GOOD.replace("=72>>", "=73>>")) == 0.5
    assert _one(rewards.arithmetic_validity, "It is 48+24 = 72.\n#### 72") == 0.0
    assert _one(rewards.arithmetic_validity, "cut off <<48/2=24") == 0.0


def test_restating_a_number_is_no_calculation():
    assert _one(rewards.arithmetic_validity, "<<5=5>> <<+6=6>> <<7=7.0>>") == 0.0
    assert _one(rewards.arithmetic_validity, GOOD + " <<5=5>>") == 1.0
    assert _one(rewards.arithmetic_validity, GOOD + " <<5=6>>") == pytest.approx(2 / 3)


@pytest.mark.parametrize("response", [GOOD, GOOD + "\n", "#### 5", "x\n#### -3", "x\n#### 1,234", "x\n#### 0.5"])
def test_a_well_formed_answer(response):
    assert _one(rewards.answer_format, response) == 1.0


@pytest.mark.parametrize(
    "response",
    [
        "", "72", "x #### 72", GOOD + "\nDone.", GOOD + "\n#### 72", "x\n#### ", "x\n####72", "x\n#### 72 clips",
        "x\n#### 1,23", "x\n#### 7.", "x\n#### -", "x\n##### 7", "x\n#### 7-",
    ],
)  # fmt: skip
def test_a_malformed_answer(response):
    assert _one(rewards.answer_format, response) == 0.0


def test_brevity_prefers_the_shorter_solution_but_not_an_empty_one():
    assert _one(rewards.brevity, GOOD) > _one(rewards.brevity, f"{GOOD} {GOOD}") > 0.0
    assert _one(rewards.brevity, "#### 72") < 0.5 * _one(rewards.brevity, GOOD)
    assert _one(rewards.brevity, "") == 0.0
    assert _one(rewards.brevity, "so " * 8) < 0.2


@pytest.mark.parametrize(
    ("response", "answer", "right"),
    [
        (GOOD, "72", 1.0),
        (GOOD, "72.0", 1.0),
        (GOOD, "73", 0.0),
        ("x\n#### 1,200", "1200", 1.0),
        ("72", "72", 0.0),
        ("x\n#### -3", "-3", 1.0),
        ("x\n#### 3", "-3", 0.0),
        ("", "72", 0.0),
    ],
)
def test_correct_answer(response, answer, right):
    assert _one(rewards.correct_answer, response, answer=answer) == right


_texts = st.one_of(st.text(max_size=120), st.text(alphabet="<>=#+-*/0123456789 \n.a", max_size=120))


@given(st.lists(_texts, max_size=4))
def test_any_text_scores_within_0_and_1(responses):
    answer = ["7"] * len(responses)
    for reward in [*REWARDS, rewards.correct_answer]:
        values = reward(["?"] * len(responses), responses, answer=answer)
        assert len(values) == len(responses)
        assert all(isinstance(value, float) and 0.0 <= value <= 1.0 for value in values)


def test_prepare_writes_the_same_disjoint_files_every_time(data, tmp_path):
    for folder in ("a", "b"):
        preparation.prepare(tmp_path / folder, data)
    files = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "b").iterdir()}
    assert set(files) == set(FILES)
    corpus, train, held_out = _prepared(tmp_path / "a")
    assert (len(corpus), len(train), len(held_out)) == (144 + 25, 256, 384)
    prompts = [record["prompt"] for record in corpus + train + held_out]
    assert len(set(prompts)) == len(prompts)
    assert {tuple(record) for record in corpus} == {("prompt", "response")}
    assert {tuple(record) for record in train + held_out} == {("prompt", "answer")}


def test_prepare_keeps_solutions_as_they_are_and_answers_without_separators(data, tmp_path):
    preparation.prepare(tmp_path, data)
    originals = {record["question"]: record["answer"] for record in _records(data / "train.jsonl")}
    for record in _records(tmp_path / "corpus.jsonl")[:144]:
        assert record["response"] == originals[record["prompt"]]
    for record in _records(tmp_path / "prompts_train.jsonl"):
        assert record["answer"].isdigit()
        assert _one(rewards.correct_answer, originals[record["prompt"]], answer=record["answer"]) == 1.0


def test_the_corpus_has_every_other_true_calculation_once(data, tmp_path):
    with (data / "train.jsonl").open("a", encoding="utf-8") as stream:
        for question, steps in {
            "Long? " * 80: "48/2=<<48/2=24>>24, 6*2=<<6*2=12>>12, again <<6*2=12>>12",
            "Wrong? " * 80: "1+1=<<1+1=3>>3 and <<7=7>>7",
        }.items():
            stream.write("\n" + json.dumps({"question": question, "answer": f"{steps}\n#### 1"}))
    preparation.prepare(tmp_path, data)
    corpus, train, _ = _prepared(tmp_path)
    calculations = [record for record in corpus if record["prompt"].startswith("Calculate ")]
    found = [text for record in calculations for text in rewards.annotations(record["response"])]
    # Of the short problems those that are no training prompts; 1+1=2 is the fixture's long one's.
    reserved = {int(record["answer"]) for record in train}
    expected = {f"{number}+1={number + 1}" for number in range(900, 1300) if number + 1 not in reserved}
    assert sorted(found) == sorted(expected | {"1+1=2", "48/2=24", "6*2=12"})
    for record in calculations:
        lines = record["response"].split("\n")
        assert record["prompt"] == f"Calculate {', '.join(line.partition(' = ')[0] for line in lines)}."
        assert len(lines) == 6 or record is calculations[-1]
    assert lines[0].partition(" = ")[2].startswith("<<")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 1: is not JSON"),
        ("[1]", "must be a JSON object"),
        ('{"answer": "#### 1"}', "question=None"),
        ('{"question": "?", "answer": 3}', "answer=3"),
        ('{"question": "?", "answer": "3"}', "#### NUMBER"),
        ('{"question": "?", "answer": "#### 3\\nnone"}', "#### NUMBER"),
        ("", "holds no problems"),
    ],
)
def test_malformed_files_are_named(data, tmp_path, line, message):
    (data / "test.jsonl").write_text(line + "\n", encoding="utf-8")
    with pytest.raises(DataError) as error:
        preparation.prepare(tmp_path / "out", data)
    assert all(part in str(error.value) for part in (message, "test.jsonl", "--data"))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_missing_data_is_named(data, tmp_path):
    with pytest.raises(DataError, match="--data"):
        preparation.prepare(tmp_path / "out", None)
    with pytest.raises(DataError, match=r"nowhere.train\.jsonl.*--data"):
        preparation.prepare(tmp_path / "out", tmp_path / "nowhere")
    (data / "train.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"train\.jsonl: cannot be read"):
        preparation.prepare(tmp_path / "out", data)


def test_too_few_short_problems_are_refused(data, tmp_path):
    (data / "test.jsonl").write_text(json.dumps(_problem(5)), encoding="utf-8")
    with pytest.raises(DataError, match=r"test\.jsonl: 1 problems.*at least 384"):
        preparation.prepare(tmp_path / "out", data)


@needs_gsm8k
def test_rewards_accept_the_7473_true_solutions():
    solutions = [record["answer"] for record in _records(GSM8K / "train.jsonl")]
    answers = [solution.rpartition("#### ")[2] for solution in solutions]
    assert len(solutions) == 7473
    assert set(rewards.answer_format(solutions, solutions)) == {1.0}
    assert set(rewards.correct_answer(solutions, solutions, answer=answers)) == {1.0}
    # Zero are the solutions without any calculation: 95 without annotation, 92 that only restate.
    values = rewards.arithmetic_validity(solutions, solutions)
    assert set(values) == {0.0, 1.0}
    assert values.count(0.0) == 95 + 92
    assert mean(values) == pytest.approx(0.97498, abs=1e-5)


@needs_gsm8k
def test_prepare_on_the_real_data(tmp_path):
    preparation.prepare(tmp_path, GSM8K)
    corpus, train, held_out = _prepared(tmp_path)
    assert (len(corpus), len(train), len(held_out)) == (2462 + 1791, 256, 384)
    test_questions = {record["question"] for record in _records(GSM8K / "test.jsonl")}
    assert {record["prompt"] for record in held_out} <= test_questions
    assert test_questions.isdisjoint(record["prompt"] for record in corpus + train)


@needs_gsm8k
def test_from_raw_files_to_a_promoted_portfolio(workers, tmp_path):
    folder = tmp_path / "gsm8k"
    made = CliRunner().invoke(app, ["init", str(folder), "--example", "gsm8k", "--data", str(GSM8K)])
    assert made.exit_code == 0, made.output
    for name, count in (("prompts_train.jsonl", 32), ("prompts_eval.jsonl", 16)):
        lines = (folder / name).read_text().splitlines()
        (folder / name).write_text("\n".join(lines[:count]) + "\n")
    config = edit_config(
        folder,
        base_model__tiny__steps=60,
        design={"strategy": "uniform", "epsilon": 0.4, "delta": 0.1, "size": 3},
        generation__max_new_tokens=32,
        training__steps=2,
        training__prompts_per_step=4,
        training__responses_per_prompt=4,
        training__micro_batch_size=16,
        reference={"samples_per_prompt": 8},
        evaluation={"samples_per_prompt": 4},
        # Hardly trained policies may be worth less than nothing somewhere, where no ratio means anything.
        selection={"size": 2, "delta": 0.1},
        promotion={"max_epsilon": 1.0, "min_gain": -1.0},
    )
    result = subprocess.run([Path(sys.executable).with_name("palm"), "run", config], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    summary = json.loads((next((folder / "builds").iterdir()) / "summary.json").read_text())
    assert summary["reward_names"] == ["arithmetic", "format", "brevity"]
    assert len(summary["policies"]) == 3 and summary["promotion"]["promoted"]
    for record in summary["policies"]:
        assert 0 <= record["metrics"]["correct"]["mean"] <= 1
        assert all(0 <= entry["mean"] <= 1 for entry in record["rewards"].values())
    assert "palm-gsm8k version 1" in result.stdout and "correct" in result.stdout
