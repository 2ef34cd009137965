"""Settings of the chat template are part of the base model: everything that renders it renders them."""

import pytest
from support.published import upload_base, write_adapters, write_served
from support.workspace import edit_config

from palm.builds.inputs import base_model_files, check_data
from palm.builds.rebuild.snapshot import describe_changes, take_snapshot
from palm.config.base_model import BaseModelSource
from palm.config.load import load_config, parse_config
from palm.errors import ConfigError, ModelError
from palm.models.load import load_tokenizer
from palm.models.prompts import encode_prompts
from palm.promotion.load import load
from palm.serving.verification import fetch_recorded_base
from palm.steps.prepare_base_model import prepare_base_model
from palm.storage.digest import value_digest

SYSTEM = 'Say "tea" or {% raw %} ☕\n\\n, shortly.'


def prepared(workspace, name: str, **changes):
    config = load_config(edit_config(workspace, **changes))
    folder = workspace / name
    return folder, prepare_base_model(config, folder), config


def first_prompt(folder) -> str:
    tokenizer = load_tokenizer(folder)
    return tokenizer.decode(encode_prompts(tokenizer, ["say tea"])[0])


@pytest.fixture
def external(workspace, base_model):
    edit_config(workspace, base_model={"source": str(base_model)})
    return workspace


def test_a_system_prompt_comes_before_every_prompt(external):
    plain, name, _ = prepared(external, "plain")
    folder, other, _ = prepared(external, "set", base_model__system_prompt=SYSTEM)
    assert first_prompt(plain) == "<|user|>say tea<|assistant|>"
    assert first_prompt(folder) == f"<|system|>{SYSTEM}<|user|>say tea<|assistant|>"
    assert name != other


@pytest.mark.parametrize(
    ("value", "shown"), [("x'\"\n☕", "x'\"\n☕"), (True, "True"), (False, "False"), (3, "3"), (0.5, "0.5")]
)
def test_variables_of_the_template_have_the_given_values(workspace, base_model, value, shown):
    tokenizer = load_tokenizer(base_model)
    tokenizer.chat_template = "{{ style }}: {% for m in messages %}{{ m['content'] }}{% endfor %}"
    tokenizer.save_pretrained(workspace / "other")
    for path in base_model.glob("*"):
        if not (workspace / "other" / path.name).exists():
            (workspace / "other" / path.name).write_bytes(path.read_bytes())
    settings = {"source": str(workspace / "other"), "chat_template_kwargs": {"style": value}}
    folder, _, _ = prepared(workspace, "set", base_model=settings)
    assert first_prompt(folder) == f"{shown}: say tea"


def test_names_and_files_are_as_before_where_nothing_is_set(external, base_model):
    folder, _, config = prepared(external, "plain")
    assert base_model_files(folder).keys() == {path.name for path in base_model.iterdir()}
    for text in (config.to_json(), config.to_yaml()):
        assert "system_prompt" not in text and "chat_template_kwargs" not in text and "layers: " not in text
    assert parse_config(config.to_json()) == config
    changed = load_config(edit_config(external, base_model__system_prompt="Be brief."))
    assert parse_config(changed.to_json()) == changed
    lines = describe_changes(take_snapshot(config), take_snapshot(changed))
    assert lines == ["base model: system_prompt nothing → Be brief."]


def test_a_tiny_model_has_them_too(workspace):
    _, name, _ = prepared(workspace, "plain")
    folder, other, _ = prepared(workspace, "set", base_model__system_prompt="Be brief.")
    assert name != other and first_prompt(folder).startswith("<|system|>Be brief.<|user|>")


def test_settings_without_a_template_and_for_messages_are_refused(external, base_model):
    for path in base_model.iterdir():
        if path.name != "chat_template.jinja":
            (external / "bare").mkdir(exist_ok=True)
            (external / "bare" / path.name).write_bytes(path.read_bytes())
    settings = {"source": str(external / "bare"), "system_prompt": "Be brief."}
    with pytest.raises(ModelError, match=r"base_model\.system_prompt: needs a chat template"):
        check_data(load_config(edit_config(external, base_model=settings)))
    with pytest.raises(ConfigError, match="'messages': must be a variable"):
        load_config(edit_config(external, base_model__chat_template_kwargs={"messages": "x"}))


def test_a_template_that_takes_no_system_message_is_refused(external, base_model):
    for path in base_model.iterdir():
        (external / "strict").mkdir(exist_ok=True)
        (external / "strict" / path.name).write_bytes(path.read_bytes())
    strict = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}x"
    (external / "strict" / "chat_template.jinja").write_text(strict)
    settings = {"source": str(external / "strict"), "system_prompt": "Be brief."}
    with pytest.raises(ModelError, match="does not render a prompt .no system role.; .*base_model.system_prompt"):
        check_data(load_config(edit_config(external, base_model=settings)))


def test_a_referenced_model_is_served_with_them(workspace, base_model, s3):
    """The source has the plain template; the portfolio brings its own, and the digests are of the whole."""
    upload_base(s3, base_model)
    settings = {"source": "s3://palm/models/base", "system_prompt": "Be brief."}
    base, _, _ = prepared(workspace, "base", base_model=settings)
    place = workspace / "portfolio"
    (base / "palm_base_model.json").unlink()
    routing = write_served(
        place, write_adapters(workspace / "adapters", base, 0), base, spec=BaseModelSource(**settings)
    )
    assert routing.base_model.sha256 == value_digest(routing.base_model.files)
    load(place).answer("say tea", [0.5, 0.5])
    (workspace / "fetched").mkdir()
    fetch_recorded_base(routing.base_model, place, workspace / "fetched")
    assert first_prompt(workspace / "fetched").startswith("<|system|>Be brief.")
