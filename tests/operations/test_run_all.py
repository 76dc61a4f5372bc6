"""Several manifests in one run: one ceiling, one budget, and nothing by halves."""

from dataclasses import replace
from decimal import Decimal

import pytest
from doubles.place import PATIENT
from filelock import FileLock
from knobs.world import KEY, SECRET

from pipeline.errors import ExitCode, LedgerBusy, ManifestError, UsageError
from pipeline.job import JobStatus
from pipeline.ledger.ledger import LEDGER_NAME, Ledger
from pipeline.operations.plan_all import estimate_all
from pipeline.operations.run import run_all
from pipeline.running.events import Halted, JobChanged, Launched
from pipeline.settings import (
    KEY_VARIABLE,
    SECRET_VARIABLE,
    Credentials,
    MissingCredentials,
)

NAMES = ("icons", "props", "birds")
HEAD = "version: 1\nmodel: model_wan-2-7-image\nparams: {size: 1K}\n"
FIVE = "items:\n  - {id: '${n}', prompt: 'NAME ${n}', matrix: {n: [a, b, c, d, e]}}\n"


class Three:
    """Three manifests of five items at 6 units each, in the current folder."""

    def __init__(self, place):
        self.place = place
        self.folder = place.folder
        self.events = []
        for name in NAMES:
            self.write(name, HEAD + FIVE.replace("NAME", name))

    def write(self, name, text):
        (self.folder / f"{name}.yaml").write_text(text)

    async def run(self, names=NAMES, *, on_event=None, **more):
        settings = more.pop("settings", PATIENT)

        def listen(manifest, event):
            self.events.append((manifest, event))
            if on_event is not None:
                on_event(manifest, event)

        return await run_all(
            [f"{name}.yaml" for name in names],
            credentials=self.credentials,
            settings=settings,
            clock=self.place.clock,
            on_event=listen,
            **more,
        )

    @property
    def credentials(self):
        base_url = self.place.emulator.base_url
        return Credentials(key=KEY, secret=SECRET, base_url=base_url)

    def statuses(self, name):
        with Ledger(self.folder / "output" / name / LEDGER_NAME, read_only=True) as led:
            return [job.status for job in led.find_latest_jobs_in(*JobStatus)]

    def told(self, kind):
        return [(name, one) for name, one in self.events if isinstance(one, kind)]


@pytest.fixture
def three(place):
    return Three(place)


async def test_one_ceiling_holds_for_all_of_them(place_of):
    async with place_of({"ceiling": 3, "job_seconds": (20.0, 20.0)}) as place:
        three = Three(place)

        result = await three.run()

        counters = place.counters
    assert result.exit_code is ExitCode.OK
    assert result.counts == {"saved": 15}
    assert counters["most_in_flight"] == 3
    assert counters["jobs_made"] == counters["submits_received"] == 15
    assert [one.manifest for one in result.outcomes] == [f"{n}.yaml" for n in NAMES]
    for name in NAMES:
        assert three.statuses(name) == [JobStatus.SAVED] * 5
        assert (three.folder / f"{name}.yaml.lock").is_file()


async def test_one_budget_holds_for_all_of_them(three):
    approved = []

    result = await three.run(
        settings=replace(PATIENT, max_cost=Decimal(40)), approve=approved.append
    )
    again = await three.run(settings=replace(PATIENT, max_cost=Decimal(40)))

    (estimate,) = approved
    assert estimate.cost.units == 90
    assert (estimate.limit, estimate.taken, estimate.left) == (40, 0, 40)
    assert three.place.counters["charged_cu"] == 36
    assert three.place.paid == 6
    assert result.exit_code is again.exit_code is ExitCode.BUDGET
    assert result.counts == {"saved": 6, "not_submitted": 9}
    assert (result.cost.charged, result.left, again.cost.charged) == (36, 4, 0)


async def test_the_limit_of_one_manifest_holds_for_it_alone(three):
    three.write("props", "max_cost: 12\n" + HEAD + FIVE.replace("NAME", "props"))

    result = await three.run()

    codes = {one.manifest: one.exit_code for one in result.outcomes}
    assert codes == {
        "icons.yaml": ExitCode.OK,
        "props.yaml": ExitCode.BUDGET,
        "birds.yaml": ExitCode.OK,
    }
    assert result.exit_code is ExitCode.BUDGET
    assert three.place.paid == 12


async def test_what_idle_ones_have_cost_counts_in_the_common_budget(three):
    await three.run(["icons"])

    result = await three.run(settings=replace(PATIENT, max_cost=Decimal(45)))

    assert result.counts == {"done": 5, "saved": 2, "not_submitted": 8}
    assert three.place.counters["charged_cu"] == 42


async def test_a_fault_in_one_starts_nothing_of_any(three):
    three.write("props", HEAD + "items:\n  - {id: a, prompt: x, sead: 1}\n")
    three.write("birds", HEAD + "items:\n  - {id: b, prompt: x, promt: y}\n")

    with pytest.raises(ManifestError) as raised:
        await three.run()

    assert {fault.file for fault in raised.value.faults} == {"props.yaml", "birds.yaml"}
    assert three.place.submits == three.place.counters["quotes_received"] == 0
    assert not (three.folder / "output").exists()


async def test_a_folder_in_use_starts_nothing_of_any(three):
    busy = three.folder / "output" / "birds"
    busy.mkdir(parents=True)
    with FileLock(busy / "ledger.lock"), pytest.raises(LedgerBusy, match="birds"):
        await three.run()

    assert three.place.submits == 0


async def test_two_that_write_to_one_folder_are_refused(three):
    three.write("birds", "name: icons\n" + HEAD + FIVE)

    with pytest.raises(UsageError, match=r"icons\.yaml and birds\.yaml both write to"):
        await three.run()
    with pytest.raises(UsageError, match="named twice"):
        await three.run(["icons", "./icons"])
    with pytest.raises(UsageError, match="no manifest"):
        await three.run([])

    assert three.place.submits == 0


async def test_nothing_is_paid_for_without_approval(three):
    def refuse(_estimate):
        raise RuntimeError("too expensive")

    with pytest.raises(RuntimeError, match="too expensive"):
        await three.run(approve=refuse)

    assert three.place.submits == 0


async def test_an_error_of_one_leaves_the_others_at_work(three):
    def block(manifest, event):
        if manifest == "props.yaml" and isinstance(event, Launched):
            (three.folder / "output" / "props" / ".partial").write_text("in the way")

    result = await three.run(on_event=block)

    found = {one.manifest: one for one in result.outcomes}
    assert found["icons.yaml"].result.counts == {"saved": 5}
    assert found["birds.yaml"].result.counts == {"saved": 5}
    assert found["props.yaml"].error.exit_code is ExitCode.STORAGE
    ((name, halted),) = three.told(Halted)
    assert name == "props.yaml"
    assert halted.reason.startswith("props.yaml: ")
    assert result.exit_code is ExitCode.STORAGE

    (three.folder / "output" / "props" / ".partial").unlink()
    again = await three.run()

    assert again.exit_code is ExitCode.OK
    assert three.place.paid == 15


async def test_credit_that_is_used_up_stops_all_of_them(place_of):
    async with place_of({"credits_cu": 30}) as place:
        three = Three(place)

        result = await three.run()

        assert place.paid == 5
    assert result.exit_code is ExitCode.BUDGET
    assert {one.exit_code for one in result.outcomes} == {ExitCode.BUDGET}
    assert {name for name, _ in three.told(Halted)} == {f"{n}.yaml" for n in NAMES}


async def test_a_stop_stops_all_of_them(place_of):
    async with place_of({"ceiling": 2}) as place:
        three = Three(place)
        begun = []

        def stop(_manifest, event):
            if isinstance(event, JobChanged) and event.status is JobStatus.SUBMITTED:
                begun[0].stop()

        result = await three.run(on_start=begun.append, on_event=stop)

        assert place.paid <= 2
        assert place.counters["in_flight"] == 0
    assert result.exit_code is ExitCode.INTERRUPTED
    assert result.counts["saved"] == place.paid
    assert result.counts["not_submitted"] == 15 - place.paid


async def test_too_many_failures_stop_all_of_them(place_of):
    async with place_of({"ceiling": 1}) as place:
        three = Three(place)
        three.write("icons", HEAD + "items:\n  - {id: a, prompt: '[fail] a'}\n")

        result = await three.run(settings=replace(PATIENT, fail_count=1))

    assert result.counts["failed"] == 1
    assert result.counts["not_submitted"] > 0
    assert place.paid < 11


async def test_what_two_manifests_ask_for_alike_is_paid_once(three):
    alike = HEAD + "items:\n  - {id: hero, prompt: a hero}\n"
    for name in NAMES:
        own = f"  - {{id: {name}, prompt: {name}, params: {{images: [item:hero]}}}}\n"
        three.write(name, alike + own)
    approved = []

    result = await three.run(approve=approved.append)
    planned = await estimate_all(
        ["icons.yaml", "props.yaml"], emulate=True, clock=three.place.clock
    )

    assert result.exit_code is ExitCode.OK
    assert result.counts == {"saved": 6}
    assert three.place.paid == 4
    assert approved[0].cost.units == three.place.counters["charged_cu"] == 24
    assert result.cost.charged == 24
    heroes = {
        (three.folder / "output" / name / "hero.png").read_bytes() for name in NAMES
    }
    assert len(heroes) == 1
    assert planned.cost is not None
    assert planned.cost.units == 18
    assert any("paid for once" in note for note in planned.notes)


async def test_what_was_not_made_for_one_is_made_for_the_other(place_of):
    """The first fails and is refunded: the second tries by itself."""
    async with place_of() as place:
        three = Three(place)
        for name in ("icons", "props"):
            three.write(name, HEAD + "items:\n  - {id: a, prompt: '[fail-once] a'}\n")

        result = await three.run(["icons", "props"])

    assert result.counts == {"failed": 1, "saved": 1}
    assert place.counters["charged_cu"] - place.counters["refunded_cu"] == 6


class Killed(BaseException):
    """Ends a run in the middle, as a kill does."""


@pytest.mark.parametrize(
    "status", [JobStatus.SUBMITTING, JobStatus.SUBMITTED, JobStatus.SAVED]
)
@pytest.mark.parametrize("names", [("icons", "props"), ("props", "icons")])
async def test_what_is_asked_for_alike_is_paid_once_whenever_the_run_ends(
    three, names, status
):
    """The first manifest's item may be unsure, in flight or done when it goes on."""
    alike = HEAD + "items:\n  - {id: hero, prompt: a hero}\n"
    own = "  - {id: own, prompt: another}\n" * (status is not JobStatus.SUBMITTING)
    three.write("icons", alike + own)  # with something to do besides
    three.write("props", alike)

    def kill(_manifest, event):
        is_of_hero = isinstance(event, JobChanged) and event.item_id == "hero"
        if is_of_hero and event.status is status:
            raise Killed

    if status is JobStatus.SUBMITTING:
        three.place.emulator.faults.next("submit-drop-after")
        status = JobStatus.UNKNOWN
    with pytest.raises(Killed):
        await three.run(["icons", "props"], on_event=kill)
    result = await three.run(names)

    assert result.exit_code is ExitCode.OK
    assert three.place.paid == 1 + bool(own)
    assert three.place.counters["charged_cu"] == 6 * three.place.paid


async def test_one_job_is_taken_over_by_one_item_of_a_manifest(three):
    """It is in flight for the first item, and listed as new for the second."""
    alike = HEAD + "items:\n  - {id: a, prompt: a hero, params: {seed: 1}}\n"
    three.write("icons", alike)
    three.write("props", alike + "  - {id: b, prompt: a hero, params: {seed: 1}}\n")

    def kill(_manifest, event):
        if isinstance(event, JobChanged) and event.status is JobStatus.SUBMITTED:
            raise Killed

    with pytest.raises(Killed):
        await three.run(["icons"], on_event=kill)
    result = await three.run(["icons", "props"])

    assert result.exit_code is ExitCode.OK
    assert three.place.paid == 2


async def test_jobs_of_a_manifest_that_is_done_are_no_lost_jobs_of_another(three):
    """Else nobody could say which of them the unsure submit has made."""
    alike = HEAD + "items:\n  - {id: hero, prompt: a hero}\n"
    three.write("icons", alike)
    three.write("props", alike.replace("a hero", "a hat"))

    def kill(_manifest, event):
        if isinstance(event, JobChanged) and event.status is JobStatus.UNKNOWN:
            raise Killed

    three.place.emulator.faults.next("submit-drop-before")
    with pytest.raises(Killed):
        await three.run(["props"], on_event=kill)
    await three.run(["icons"])
    result = await three.run(["props", "icons"])

    assert result.exit_code is ExitCode.OK
    assert result.counts == {"done": 1, "saved": 1}
    assert three.place.paid == 2


async def test_the_price_of_several_is_planned_together(three):
    made = await estimate_all(
        [f"{name}.yaml" for name in NAMES],
        credentials=three.credentials,
        settings=replace(PATIENT, max_cost=Decimal(100)),
        clock=three.place.clock,
    )

    assert made.cost is not None
    assert made.cost.units == 90
    assert made.cost.items == 15
    assert made.left == 100
    assert three.place.submits == 0


async def test_all_that_is_done_needs_no_credentials(three, monkeypatch):
    await three.run()
    before = three.place.counters["requests"]
    for name in (KEY_VARIABLE, SECRET_VARIABLE):
        monkeypatch.delenv(name)
    monkeypatch.setattr(Three, "credentials", None)

    result = await three.run()
    three.write("props", HEAD + FIVE.replace("NAME", "other props"))
    with pytest.raises(MissingCredentials):
        await three.run()

    assert result.counts == {"done": 15}
    assert three.place.counters["requests"] == before
