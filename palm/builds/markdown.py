"""Text of others in Markdown: errors, answers of models and names are shown as they are and change nothing around."""

import re

_ACTIVE = re.compile(r"[\\`*\[\]<>|~&]|:(?=//)|(?<=www)\.")
"""Characters that begin markup, HTML, or an address that readers turn into a link."""


def plain(text: str) -> str:
    """Text in one line of prose."""
    return _ACTIVE.sub(r"\\\g<0>", " ".join(text.split()))


def verbatim(text: str, *, cell: bool = False) -> str:
    """Text in one line as code; cell: of a table."""
    text = " ".join(text.split())
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    space = " " if text.startswith("`") or text.endswith("`") else ""
    shown = f"{fence}{space}{text}{space}{fence}" if text else ""
    return shown.replace("|", "\\|") if cell else shown
