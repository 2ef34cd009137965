"""Base models and tokenizers that a build could not use are refused before anything is spent."""

import json

import pytest
from support.architectures import write_model
from support.errors import one_line
from support.workspace import edit_config
from tokenizers import processors
from transformers import AutoTokenizer

from palm.builds.inputs import check_data
from palm.config.load import load_config
from palm.errors import ConfigError, ModelError, UnusableModelError
from palm.steps.prepare_base_model import prepare_base_model


def check(workspace, base, **changes) -> None:
    check_data(load_config(edit_config(workspace, base_model__source=str(base), base_model__tiny=None, **changes)))


def save_tokenizer(base, change) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base)
    change(tokenizer)
    tokenizer.save_pretrained(base)


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "qwen35", "gemma3"])
def test_models_that_can_be_trained_are_accepted(workspace, base_model, architecture):
    check(workspace, write_model(workspace / "base", architecture, base_model))


def test_a_padding_token_beyond_the_embeddings(workspace, base_model):
    base = write_model(workspace / "base", "llama", base_model)
    save_tokenizer(base, lambda tokenizer: tokenizer.add_special_tokens({"pad_token": "[PAD]"}))
    with one_line(ModelError, "pad_token '[PAD]' has id 292", "must be below 292", "resize_token_embeddings"):
        check(workspace, base)


def test_a_token_of_the_prompts_beyond_the_embeddings(workspace, base_model):
    base = write_model(workspace / "base", "llama", base_model)
    save_tokenizer(base, lambda tokenizer: tokenizer.add_tokens(["y crypt"]))
    with one_line(ModelError, "a token of the prompts 'y crypt' has id 292"):
        check(workspace, base)


def test_a_token_that_no_prompt_has_may_lie_beyond(workspace, base_model):
    """As the placeholder of images in text models of a family with vision."""
    base = write_model(workspace / "base", "llama", base_model)
    save_tokenizer(base, lambda tokenizer: tokenizer.add_tokens(["<image>"]))
    check(workspace, base)


def test_prompt_and_response_beyond_the_positions(workspace, base_model):
    base = write_model(workspace / "base", "gpt2", base_model)
    with one_line(
        ConfigError, "generation.max_new_tokens=32: with the longest prompt", "the base model's 32 positions"
    ):
        check(workspace, base, generation__max_new_tokens=32)
    rope = {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}
    stretched = write_model(
        workspace / "stretched", "llama", base_model, max_position_embeddings=32, rope_parameters=rope
    )
    check(workspace, stretched)


@pytest.mark.parametrize(
    ("architecture", "layers", "words"),
    [
        ("mamba", "linear", "has Mamba layers, whose kernels ignore adapters"),
        ("mamba", "attention", "takes no LoRA adapter"),
        ("jamba", "linear", "has Mamba layers, whose kernels ignore adapters"),
        ("mixtral", "linear", "is a mixture of experts; vLLM ignores"),
        ("qwen2_moe", "linear", "is a mixture of experts; vLLM ignores"),
        ("phimoe", "linear", "is a mixture of experts; vLLM ignores"),
        ("llama4_text", "linear", "is a mixture of experts; vLLM ignores"),
        ("jetmoe", "attention", "is a mixture of experts; vLLM ignores"),
    ],
)
def test_architectures_that_adapters_do_not_fit(workspace, base_model, architecture, layers, words):
    base = write_model(workspace / "base", architecture, base_model)
    with one_line(ConfigError, f"training.lora.layers={layers}: base model of type {architecture}", words):
        check(workspace, base, training__lora={"layers": layers})


@pytest.mark.parametrize(
    ("architecture", "lora"),
    [
        ("mixtral", {"layers": "attention"}),
        ("phimoe", {"layers": "attention"}),
        ("jetmoe", None),
        ("jamba", {"layers": "attention"}),
        ("mamba", None),
    ],
)
def test_the_remedies_are_accepted(workspace, base_model, architecture, lora):
    check(workspace, write_model(workspace / "base", architecture, base_model), training__lora=lora)


def test_a_vision_language_model_without_a_language_model_of_its_own(workspace, base_model):
    base = write_model(workspace / "base", "qwen25_vl", base_model)
    with one_line(ModelError, "is no causal LM that transformers can load", "save the language model by itself"):
        check(workspace, base)


def test_a_tokenizer_that_ends_prompts(workspace, base_model):
    base = write_model(workspace / "base", "llama", base_model)

    def end(tokenizer):
        token = tokenizer.eos_token
        ids = [(token, tokenizer.eos_token_id)]
        post = processors.TemplateProcessing(single=f"$A {token}", special_tokens=ids)
        tokenizer.backend_tokenizer.post_processor = post

    save_tokenizer(base, end)
    # The chat template adds no special tokens.
    check(workspace, base)
    (base / "chat_template.jinja").unlink()
    with one_line(ModelError, "ends prompts with the end token '<|end|>'"):
        check(workspace, base)


def test_a_tokenizer_without_an_attention_mask(workspace, base_model):
    base = write_model(workspace / "base", "llama", base_model)
    file = base / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "model_input_names": ["input_ids"]}))
    with one_line(ModelError, "model_input_names=['input_ids']: lacks attention_mask"):
        check(workspace, base)


DATED = (
    "{% if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}"
    "Today is {{ date_string }}. {% for m in messages %}{{ m['content'] }}{% endfor %}"
)
RANDOM = "{{ ['Dear ', 'Hello '] | random }}{% for m in messages %}{{ m['content'] }}{% endfor %}"


def test_a_template_with_the_date_is_refused_until_it_is_pinned(workspace, base_model):
    base = write_model(workspace / "base", "llama", base_model)
    (base / "chat_template.jinja").write_text(DATED)
    with one_line(ModelError, "renders a prompt differently by time or chance", "is 2001", "is 2032", "pin"):
        check(workspace, base)
    check(workspace, base, base_model__chat_template_kwargs={"date_string": "26 Jul 2024"})


def test_a_template_with_chance_is_refused(workspace, base_model):
    base = write_model(workspace / "base", "llama", base_model)
    (base / "chat_template.jinja").write_text(RANDOM)
    with one_line(ModelError, "renders a prompt differently by time or chance", "Dear", "Hello"):
        check(workspace, base)


ALTERNATING = (
    "{% set start = 1 if messages[0]['role'] == 'system' else 0 %}{% for m in messages[start:] %}"
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}"
    "{{ m['content'] }}{% endfor %}"
)


def test_a_template_whose_roles_must_alternate_has_the_system_prompt_once(workspace, base_model):
    base = write_model(workspace / "base", "llama", base_model)
    (base / "chat_template.jinja").write_text(ALTERNATING)
    settings = {"source": str(base), "tiny": None, "system_prompt": "Be brief."}
    config = load_config(edit_config(workspace, base_model=settings))
    check_data(config)
    prepare_base_model(config, workspace / "prepared")
    assert (workspace / "prepared" / "chat_template.jinja").read_text().count("Be brief.") == 1


def test_a_prompt_without_tokens(workspace, base_model):
    base = write_model(workspace / "base", "llama", base_model)
    (base / "chat_template.jinja").write_text("{{ messages[0]['content'] | replace('say', '') | trim }}")
    with (workspace / "train.jsonl").open("a") as lines:
        lines.write('{"prompt": "say"}\n')
    with one_line(UnusableModelError, "prompt 'say': must have at least one token"):
        check(workspace, base)


@pytest.mark.parametrize(
    "wrong", [{"hidden_size": None}, {"num_attention_heads": 0}, {"rope_parameters": {"rope_type": "nonsense"}}]
)
def test_settings_of_which_no_model_can_be_made(workspace, base_model, wrong):
    base = write_model(workspace / "base", "llama", base_model)
    file = base / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **wrong}))
    with one_line(UnusableModelError, f"base_model={base}: "):
        check(workspace, base)


def test_a_model_that_no_build_can_use_is_not_tried_again(workspace, base_model):
    base = write_model(workspace / "base", "llama", base_model)
    (base / "chat_template.jinja").write_text(RANDOM)
    with pytest.raises(ModelError) as caught:
        check(workspace, base)
    assert not caught.value.retry_may_help


def test_a_model_from_elsewhere_is_checked_before_anything_is_sampled(workspace, base_model, s3):
    base = write_model(workspace / "base", "mixtral", base_model)
    for path in base.iterdir():
        s3.upload_file(str(path), "palm", f"models/base/{path.name}")
    place = {"base_model__source": "s3://palm/models/base", "base_model__tiny": None}
    config = load_config(edit_config(workspace, **place))
    with pytest.raises(ConfigError, match="is a mixture of experts"):
        prepare_base_model(config, workspace / "prepared")
    assert not (workspace / "prepared").exists()
