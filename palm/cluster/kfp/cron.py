"""Times of a schedule: six fields, seconds first, as Kubeflow Pipelines' controller reads them (robfig/cron v1)."""

import itertools
import re
from datetime import UTC, datetime

from palm.errors import ClusterError

_FIELDS = ("second", "minute", "hour", "day of month", "month", "day of week")
_NAME = {"month": "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC", "day of week": "SUN|MON|TUE|WED|THU|FRI|SAT"}
_LAST_DAY_OF_WEEK = 6
_SHOWN = 3


def next_times(cron: str, *, after: datetime | None = None) -> list[datetime]:
    """The next three times, UTC, of a schedule; the server accepts any text, and a wrong one would never fire.

    Args:
        cron: six fields: second, minute, hour, day of month, month, day of week (0 to 6, Sunday is 0).
        after: the time to start from; None: now.

    Raises:
        ClusterError: the controller would read it otherwise or not at all, or it never fires.
    """
    from cronsim import CronSim, CronSimError

    fields = cron.split()
    if len(fields) != len(_FIELDS):
        raise _wrong(cron, f"has {len(fields)} fields, must have 6: {', '.join(_FIELDS)}")
    for name, field in zip(_FIELDS, fields, strict=True):
        _check(cron, name, field)
    try:
        times = CronSim(_for_cronsim(fields), after or datetime.now(UTC).replace(microsecond=0))
        found = list(itertools.islice(times, _SHOWN))
    except CronSimError as error:
        raise _wrong(cron, f"has no such time ({str(error).lower()})") from error
    if not found:
        raise _wrong(cron, "never fires")
    return found


def _check(cron: str, name: str, field: str) -> None:
    """Refuse what one of the two parsers does not accept: names elsewhere, 7 for Sunday, L, W, # and stars in lists."""
    value = rf"(?:\d+|{_NAME[name]})" if name in _NAME else r"\d+"
    part = rf"{value}(?:-{value})?(?:/[1-9]\d*)?"
    if not re.fullmatch(rf"[*?](?:/[1-9]\d*)?|{part}(?:,{part})*", field, re.IGNORECASE):
        raise _wrong(cron, f"{name} {field!r} is not *, a number, a range, a step or a list of them")
    if name == "day of week" and any(int(number) > _LAST_DAY_OF_WEEK for number in re.findall(r"(?<![/\d])\d+", field)):
        raise _wrong(cron, f"{name} {field!r} must be from 0 (Sunday) to 6")


def _for_cronsim(fields: list[str]) -> str:
    """The same schedule as cronsim reads it, which has no ? and counts days of the week up to 7."""
    *others, weekday = (field.replace("?", "*") for field in fields)
    weekday = re.sub(r"(^|,)(\w+)/", rf"\g<1>\g<2>-{_LAST_DAY_OF_WEEK}/", weekday)
    return " ".join([*others, weekday])


def _wrong(cron: str, rule: str) -> ClusterError:
    return ClusterError(f"cron={cron!r}", rule=rule, remedy='write e.g. "0 0 2 * * *" for every day at 02:00')
