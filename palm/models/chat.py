"""Chat templates: settings of a build written into them, and templates that say something else at another time.

Everything that renders the template, trainers and servers too, then renders the same prompt.
"""

import json
from pathlib import Path

from palm.config.base_model import BaseModelSource
from palm.errors import UnusableModelError

TEMPLATE = "chat_template.jinja"
"""File of a model's folder; transformers prefers it to a template in tokenizer_config.json."""
_RENDERINGS = 8
_TIMES = ("2001", "2032")
_PROBE = [{"role": "user", "content": "a probe"}]


def chat_template(tokenizer, spec: BaseModelSource) -> str | None:
    """The chat template of a tokenizer with the settings of the configuration in it; None if it has none.

    Raises:
        UnusableModelError: there are settings but no template.
    """
    if tokenizer.chat_template is None:
        if spec.chat_settings:
            raise UnusableModelError(
                f"base_model.{min(spec.chat_settings)}",
                rule="needs a chat template, which the tokenizer of the base model lacks",
                remedy="remove it, or give a base model with a chat template",
            )
        return None
    return _settings(spec) + tokenizer.get_chat_template()


def write_chat_template(folder: Path, tokenizer, spec: BaseModelSource) -> None:
    """Write the template with the settings into a model's folder; nothing without settings."""
    if spec.chat_settings:
        (folder / TEMPLATE).write_text(chat_template(tokenizer, spec), encoding="utf-8")


def check_chat_template(tokenizer) -> None:
    """Check that a template renders, and always the same.

    Raises:
        UnusableModelError: it depends on the time or on chance, or does not accept its messages.
    """
    from jinja2 import TemplateError

    if tokenizer.chat_template is None:
        return
    try:
        rendered = {_render(tokenizer, time) for time in _TIMES for _ in range(_RENDERINGS)}
    except (TemplateError, TypeError, ValueError) as error:
        raise UnusableModelError(
            "chat template of the base model",
            rule=f"does not render a prompt ({error})",
            remedy="correct the template, base_model.system_prompt or base_model.chat_template_kwargs",
        ) from error
    if len(rendered) > 1:
        first, second = sorted(rendered)[:2]
        raise UnusableModelError(
            "chat template of the base model",
            rule=f"renders a prompt differently by time or chance: {_difference(first, second)}",
            remedy="pin the variable that it asks for, e.g. base_model.chat_template_kwargs: "
            "{date_string: 26 Jul 2024}, or correct the template",
        )


def _render(tokenizer, time: str) -> str:
    # A macro takes the place of transformers' own function, whatever the format that the template asks for.
    clock = f"{{%- macro strftime_now(format) -%}}{time}{{%- endmacro -%}}"
    return tokenizer.apply_chat_template(
        _PROBE, chat_template=clock + tokenizer.get_chat_template(), tokenize=False, add_generation_prompt=True
    )


def _difference(first: str, second: str) -> str:
    start = next((place for place, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), 0)
    return " and ".join(repr(text[max(0, start - 12) : start + 20]) for text in (first, second))


def _settings(spec: BaseModelSource) -> str:
    """Statements of Jinja that set what the template asks for."""
    text = "".join(
        f"{{%- set {name} = {_literal(value)} -%}}" for name, value in sorted((spec.chat_template_kwargs or {}).items())
    )
    if spec.system_prompt is not None:
        first = f"[{{'role': 'system', 'content': {_literal(spec.system_prompt)}}}]"
        text += f"{{%- set messages = {first} + messages -%}}"
    return text


def _literal(value: str | float | bool) -> str:
    """A value in Jinja's syntax, in which that of JSON is also valid for these types."""
    return json.dumps(value, ensure_ascii=False)
