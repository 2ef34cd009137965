"""Check of a running server: every policy of a portfolio answers as it did when it was trained."""

import json
import os
import urllib.error
import urllib.request
from pathlib import Path

from palm.artifacts.answers import Answers, LikeliestAnswer
from palm.artifacts.routing import Routing
from palm.errors import ModelError

_TIMEOUT_SECONDS = 120.0
KEY_VARIABLE = "PALM_SERVER_API_KEY"
"""Environment variable with the key that the server asks for, if it does."""


def check_server(url: str, folder: Path) -> str:
    """Compare the answers of a server with those stored in a portfolio folder; returns one line about it.

    Args:
        url: address of a server that speaks OpenAI's completions API, as `vllm serve` does, without ``/v1``.
        folder: portfolio folder of the version that it should serve.

    Raises:
        ModelError: the server does not answer, answers otherwise, or a policy has no stored answers.
    """
    count, unseen = 0, []
    for entry in Routing.read(folder).policies:
        answers = _stored(entry.policy, folder / entry.folder)
        for answer in answers:
            found = _ask(url, entry.policy, answer)
            # Policies that were trained before texts were stored as servers give them may lack a space at the start.
            if found.lstrip(" ") != answer.text.lstrip(" "):
                raise ModelError(
                    f"server {url}, policy {entry.policy}",
                    rule=f"answers {found[:60]!r} where it answered {answer.text[:60]!r} when it was trained",
                    remedy="serve the folder that `palm pull` has filled; this server has other weights or another "
                    "base model, or ignores the adapter",
                )
            count += 1
        if all(answer.base_model for answer in answers):
            unseen.append(entry.policy)
    # Said, not refused: a policy may be that close to the base model.
    but = f"; the base model would give all answers of {', '.join(unseen)} too" if unseen else ""
    return f"{url} answers as the policies did when they were trained ({count} answers{but})"


def _stored(policy: str, folder: Path) -> tuple[LikeliestAnswer, ...]:
    there = (folder / Answers.FILE).exists()
    answers = Answers.read(folder).answers if there else ()
    if not answers:
        why = "it is certain of no answer's first token" if there else "an earlier version of palm has trained it"
        raise ModelError(
            f"policy {policy}",
            rule=f"has no stored answers ({why}), so a server cannot be checked by them",
            remedy="compare answers of the server with those of `palm generate`, and roll out without --verify",
        )
    return answers


def _ask(url: str, policy: str, answer: LikeliestAnswer) -> str:
    body = {"model": policy, "prompt": list(answer.prompt), "max_tokens": answer.tokens, "temperature": 0}
    headers = {"Content-Type": "application/json"}
    if os.environ.get(KEY_VARIABLE):
        headers["Authorization"] = f"Bearer {os.environ[KEY_VARIABLE]}"
    request = urllib.request.Request(f"{url.rstrip('/')}/v1/completions", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
            return json.load(response)["choices"][0]["text"]
    except urllib.error.HTTPError as error:
        why = f"{error.code}: {' '.join(error.read().decode(errors='replace').split())[:200]}"
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        why = str(error)
    raise ModelError(
        f"server {url}, policy {policy}",
        rule=f"gives no completion ({why})",
        remedy="check the address, and that the server serves the version that is to be rolled out",
    )
