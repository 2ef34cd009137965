import pytest
from support.errors import one_line

from palm.errors import DataError
from palm.models.load import load_tokenizer
from palm.models.prompts import encode_prompts, read_prompts


def test_prompts_and_fields(tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text('{"prompt": "a", "answer": "1"}\n\n{"prompt": "b", "answer": "2"}\n')
    prompts = read_prompts(path)
    assert prompts.texts == ["a", "b"]
    assert prompts.repeat(2).fields == {"answer": ["1", "1", "2", "2"]}
    assert prompts.take([1, 0]).texts == ["b", "a"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["holds no records"]),
        ('{"prompt": "a"}\n{', ["line 2", "not JSON"]),
        ("[1]", ["line 1", "must be a JSON object"]),
        ('{"question": "a"}', ["prompt=None", "non-empty string"]),
        ('{"prompt": "  "}', ["non-empty string"]),
        ('{"prompt": "a", "responses": 1}', ["'responses'", "other than prompts and responses"]),
        ('{"prompt": "a", "two words": 1}', ["'two words'"]),
        ('{"prompt": "\\ud800"}', ["line 1", "not Unicode"]),
        ('{"prompt": "a", "x": ' + "[" * 100_000, ["line 1", "not JSON"]),
        ('{"prompt": "a", "x": 1}\n{"prompt": "b"}', ["line 2", "must be those of the first record"]),
    ],
)
def test_malformed_prompts(tmp_path, text, words):
    path = tmp_path / "p.jsonl"
    path.write_text(text)
    with one_line(DataError, str(path), *words):
        read_prompts(path)


def test_other_line_separators_and_a_byte_order_mark_are_read(tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text('\ufeff{"prompt": "a\u2028b"}\r\n{"prompt": "c"}\r\n', encoding="utf-8", newline="")
    assert read_prompts(path).texts == ["a\u2028b", "c"]


def test_chat_template_is_used_where_there_is_one(base_model):
    tokenizer = load_tokenizer(base_model)
    ids = encode_prompts(tokenizer, ["say tea"])[0]
    assert tokenizer.decode(ids) == "<|user|>say tea<|assistant|>"
    tokenizer.chat_template = None
    assert tokenizer.decode(encode_prompts(tokenizer, ["say tea"])[0]) == "say tea"
