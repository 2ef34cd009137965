from datetime import UTC, datetime

import pytest

from palm.cluster.kfp.cron import next_times
from palm.errors import ClusterError

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)  # A Thursday.


@pytest.mark.parametrize(
    ("cron", "times"),
    [
        ("0 0 2 * * *", ["01-01 02:00:00", "01-02 02:00:00", "01-03 02:00:00"]),
        ("30 */20 * * * ?", ["01-01 00:00:30", "01-01 00:20:30", "01-01 00:40:30"]),
        ("0 0 2 ? * MON-FRI", ["01-01 02:00:00", "01-02 02:00:00", "01-05 02:00:00"]),
        ("0 0 2 ? * 0,6", ["01-03 02:00:00", "01-04 02:00:00", "01-10 02:00:00"]),
        ("0 0 2 15 jan,Mar *", ["01-15 02:00:00", "03-15 02:00:00", "01-15 02:00:00"]),
        # Both days given: either will do, as in every cron.
        ("0 0 2 15 * MON", ["01-05 02:00:00", "01-12 02:00:00", "01-15 02:00:00"]),
        # A star with a step counts as a star: both must hold.
        ("0 0 2 */2 * MON", ["01-05 02:00:00", "01-19 02:00:00", "02-09 02:00:00"]),
        # The week ends on Saturday, 6: a step never reaches a seventh day.
        ("0 0 2 * * 1/2", ["01-02 02:00:00", "01-05 02:00:00", "01-07 02:00:00"]),
        ("0 0 2 29 2 ?", ["02-29 02:00:00", "02-29 02:00:00", "02-29 02:00:00"]),
    ],
)
def test_next_times(cron, times):
    assert [f"{time:%m-%d %H:%M:%S}" for time in next_times(cron, after=NEW_YEAR)] == times


@pytest.mark.parametrize(
    ("cron", "rule"),
    [
        ("0 2 * * *", "has 5 fields, must have 6: second, minute, hour, day of month, month, day of week"),
        ("@daily", "has 1 fields, must have 6: second, minute, hour, day of month, month, day of week"),
        ("", "has 0 fields, must have 6: second, minute, hour, day of month, month, day of week"),
        ("0 0 25 * * *", "has no such time (bad hour)"),
        ("60 0 2 * * *", "has no such time (bad second)"),
        ("0 0 2 5-3 * *", "has no such time (bad day-of-month)"),
        ("0 0 2 30 2 ?", "has no such time (bad day-of-month)"),
        ("0 0 2 L * *", "day of month 'L' is not *, a number, a range, a step or a list of them"),
        ("0 0 2 * * 1#2", "day of week '1#2' is not *, a number, a range, a step or a list of them"),
        ("0 0 2 * * 7", "day of week '7' must be from 0 (Sunday) to 6"),
        ("0 0 2 * * 5-7", "day of week '5-7' must be from 0 (Sunday) to 6"),
        ("0 0 MON * * *", "hour 'MON' is not *, a number, a range, a step or a list of them"),
        ("0 0/0 2 * * *", "minute '0/0' is not *, a number, a range, a step or a list of them"),
        ("nightly at two or so ok", "second 'nightly' is not *, a number, a range, a step or a list of them"),
    ],
)
def test_a_wrong_cron_is_one_line(cron, rule):
    with pytest.raises(ClusterError) as error:
        next_times(cron)
    assert str(error.value) == f'cron={cron!r}: {rule}; write e.g. "0 0 2 * * *" for every day at 02:00'
