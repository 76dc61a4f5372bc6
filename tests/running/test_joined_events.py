"""Events of several runs, joined: items are told apart, and the beginning is summed."""

from pipeline.job import JobStatus
from pipeline.running.events import Blocked, Halted, JobChanged, Launched, Warned
from pipeline.running.joined_events import JoinedEvents

ICONS, PROPS = "a/icons.yaml", "b/props.yaml"


def launched(**named):
    return Launched(
        run_id=1, total=3, done=1, skipped=1, to_submit=1, ceiling=None, **named
    )


def test_items_have_the_name_of_their_manifest():
    joined = JoinedEvents([ICONS, PROPS])

    told = [
        joined.join(ICONS, event)
        for event in (
            JobChanged(item_id="oak", status=JobStatus.SAVED, attempt=1),
            Blocked(item_id="elm", reason="blocked by oak"),
            Warned(message="look", item_id="oak"),
            Warned(message="look"),
        )
    ]

    assert [getattr(one, "item_id", None) for one in told] == [
        "icons: oak",
        "icons: elm",
        "icons: oak",
        "icons",
    ]
    halted = Halted(reason="no credit", hint="", in_flight=0)
    assert joined.join(PROPS, halted) == halted


def test_manifests_of_one_name_have_their_paths():
    joined = JoinedEvents(["a/icons.yaml", "b/icons.yaml", "b/props.yaml"])

    assert [*joined.names.values()] == ["a/icons.yaml", "b/icons.yaml", "props"]


def test_the_beginning_is_that_of_all_runs_so_far():
    joined = JoinedEvents([ICONS, PROPS])

    first = joined.join(ICONS, launched(items=2))
    assert isinstance(first, Launched)
    assert (first.total, first.items, joined.have_begun) == (3, 2, False)

    both = joined.join(PROPS, launched(items=3))
    assert isinstance(both, Launched)
    assert (both.total, both.items, joined.have_begun) == (6, 5, True)
    assert (both.done, both.skipped, both.to_submit) == (2, 2, 2)
