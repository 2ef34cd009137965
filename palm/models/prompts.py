"""Prompts: read from JSONL, encoded as the model expects them."""

import json
from dataclasses import dataclass
from pathlib import Path

from palm.errors import DataError
from palm.storage.local_file import local_file


@dataclass(frozen=True)
class PromptSet:
    """Prompts with further fields for rewards.

    Attributes:
        texts: the prompts, length p.
        fields: other fields of the records, name to a list of length p.
    """

    texts: list[str]
    fields: dict[str, list]

    def repeat(self, times: int) -> "PromptSet":
        """Each prompt ``times`` times in a row, for several responses per prompt."""
        return self.take([index for index in range(len(self.texts)) for _ in range(times)])

    def take(self, indices: list[int]) -> "PromptSet":
        """The prompts at some indices, in that order; indices may repeat."""
        return PromptSet(
            [self.texts[index] for index in indices],
            {name: [values[index] for index in indices] for name, values in self.fields.items()},
        )


def read_records(address: str | Path, required: tuple[str, ...]) -> list[dict]:
    """Read a JSONL file of objects that all have the same keys.

    Args:
        address: the file, or its s3:// address; empty lines are ignored.
        required: keys whose values must be non-empty strings.

    Returns:
        The records, at least one.

    Raises:
        DataError: the file is missing, a line is not such an object, or there are none.
    """
    path = local_file(str(address))
    try:
        # Not splitlines(): JSON may hold other line separators inside a string.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            str(address), rule=f"cannot be read ({error})", remedy="give the path of a JSONL file"
        ) from error
    records = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            records.append(_record(line, f"{address} line {number}", required, records[0] if records else None))
    if not records:
        raise DataError(str(address), rule="holds no records", remedy="give at least one line of JSON")
    return records


def _record(line: str, place: str, required: tuple[str, ...], first: dict | None) -> dict:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(place, rule=f"is not JSON ({error})", remedy="write one JSON object per line") from error
    if not isinstance(record, dict):
        raise DataError(f"{place}: {line[:60]}", rule="must be a JSON object", remedy='write e.g. {"prompt": "…"}')
    for key in required:
        if not isinstance(record.get(key), str) or not record[key].strip():
            raise DataError(
                f"{place}: {key}={record.get(key)!r}",
                rule="must be a non-empty string",
                remedy=f"give every record a {key!r}",
            )
    try:
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise DataError(
            place, rule=f"holds text that is not Unicode ({error.reason})", remedy="remove the lone surrogates"
        ) from error
    if first is not None and record.keys() != first.keys():
        raise DataError(
            f"{place}: keys {sorted(record)}",
            rule=f"must be those of the first record, {sorted(first)}",
            remedy="give all records the same fields",
        )
    return record


def read_prompts(address: str | Path) -> PromptSet:
    """Read prompts and their fields from a JSONL file, or its s3:// address; errors as of `read_records`."""
    records = read_records(address, ("prompt",))
    names = [name for name in records[0] if name != "prompt"]
    for name in names:
        if name in ("prompts", "responses") or not name.isidentifier():
            raise DataError(
                f"{address}: field {name!r}",
                rule="must be a name that a reward can take as an argument, other than prompts and responses",
                remedy="rename it",
            )
    return PromptSet(
        [record["prompt"] for record in records], {name: [record[name] for record in records] for name in names}
    )


def encode_prompts(tokenizer, texts: list[str]) -> list[list[int]]:
    """Token ids of prompts: one user turn if the tokenizer has a chat template, plain text otherwise."""
    if tokenizer.chat_template is None:
        return tokenizer(texts)["input_ids"]
    turns = [[{"role": "user", "content": text}] for text in texts]
    return tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)


def trl_prompt(tokenizer, text: str):
    """A prompt in the form that TRL tokenises as `encode_prompts` does."""
    return text if tokenizer.chat_template is None else [{"role": "user", "content": text}]
