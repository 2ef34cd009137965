"""Replay decides the same for every reader, wherever it begins; rollbacks walk back along what it finds."""

from hypothesis import given
from hypothesis import strategies as st

from palm.promotion.entry import Entry
from palm.promotion.replay import replay
from palm.promotion.rollback import champions


def entry(**values) -> Entry:
    given = {"number": 0, "previous": 0, "before": None, "after": "1", "kind": "promotion"}
    return Entry(**given | values, why="why", who="who", at="at", token="token")


@st.composite
def logs(draw):
    """What honest writers leave: each appends with the head of some earlier moment."""
    entries = []
    for number in range(1, draw(st.integers(1, 30)) + 1):
        seen = draw(st.integers(max(0, number - 4), number - 1))
        head = replay(entries[:seen]).head
        entries.append(entry(number=number, previous=head.number if head else 0, after=str(number)))
    return entries


@given(logs())
def test_the_valid_entries_are_a_chain_and_never_change_as_the_log_grows(entries):
    found = replay(entries)
    assert [entry.previous for entry in found.valid] == [0, *(entry.number for entry in found.valid[:-1])]
    assert len(found.valid) + len(found.void) == len(entries) and not found.gaps
    for end in range(1, len(entries)):
        assert all(entry in found.valid for entry in replay(entries[:end]).valid)


@given(logs())
def test_reading_from_what_the_newest_is_built_on_finds_the_same_head(entries):
    first = max(entries[-1].previous, 1)
    assert replay(entries[first - 1 :], first).head == replay(entries).head


@given(logs(), st.data())
def test_a_deleted_entry_that_was_built_upon_changes_nothing_for_the_others(entries, data):
    found = replay(entries)
    if len(found.valid) < 2:
        return
    gone = data.draw(st.sampled_from(found.valid[:-1]))
    rest = replay([entry for entry in entries if entry != gone])
    assert rest.gaps == rest.missing == (gone.number,)
    assert list(rest.valid) == [entry for entry in found.valid if entry != gone]


def step(after: str, kind: str = "promotion", before: str | None = None) -> Entry:
    return entry(after=after, kind=kind, before=before)


def test_rollbacks_walk_back_like_undo():
    log = [step("2", before="1"), step("3", before="2")]
    assert champions(log) == ["1", "2", "3"]
    log.append(step("2", "rollback"))
    assert champions(log) == ["1", "2"]
    log.append(step("1", "rollback"))
    assert champions(log) == ["1"]
    log.append(step("3", "rollback"))
    assert champions(log) == ["1", "3"]
    log.append(step("4"))
    assert champions(log) == ["1", "3", "4"]
    assert champions([]) == []
