"""Without a ledger, or with a damaged one: rebuilt, and nothing is paid for again."""

import shutil

import pytest
from doubles.place import items
from knobs.world import SECRET

from pipeline import Credentials, ExitCode, Settings, run
from pipeline.api.client import HttpApi
from pipeline.emulator import Emulator
from pipeline.job import FailureClass, JobStatus
from pipeline.ledger.ledger import LEDGER_NAME, Ledger
from pipeline.output import rebuild
from pipeline.running.events import JobChanged
from pipeline.settings import EMULATOR_NAME

TREES = items("an oak", "an elm", "an ash")
DAY_S = 86_400.0
SIX = items("an oak", *(f"a tree {number} [slow=40]" for number in range(5)))


@pytest.fixture
async def made(place):
    played = await place.play(TREES)
    assert played.code is ExitCode.OK
    return place


async def leave_when_saved(place, text, **settings):
    """A run that leaves at once when its first item is saved, the rest in flight."""
    current = []

    def leave(event):
        if isinstance(event, JobChanged) and event.status is JobStatus.SAVED:
            current[0].abandon()

    manifest = place.folder / "knobs.yaml"
    manifest.write_text(text, encoding="utf-8")
    return await run(
        manifest,
        output=place.output,
        credentials=Credentials(
            key="key", secret=SECRET, base_url=place.emulator.base_url
        ),
        settings=place.settings,
        clock=place.clock,
        on_event=leave,
        on_start=current.append,
    )


# --- deleted


async def test_with_the_ledger_deleted_everything_is_done_and_free(made):
    requests = dict(made.counters["requests"])
    made.lose_ledger()

    played = await made.play(TREES)

    assert (played.code, played.result.counts) == (
        ExitCode.OK,
        {"done": 3, "skipped": 0},
    )
    assert made.counters["requests"] == requests
    assert set(made.statuses().values()) == {JobStatus.SAVED}
    await made.check_files()


async def test_the_rebuilt_rows_say_what_the_lost_ones_said(made):
    before = {name: made.job(name) for name in "abc"}
    made.lose_ledger()

    await made.play(TREES)

    for name, job in before.items():
        found = made.job(name)
        for field in (
            "job_key",
            "request_key",
            "model_id",
            "request",
            "seed",
            "derived_seed",
            "remote_id",
            "base_url",
            "author_id",
            "charged",
            "remote_assets",
            "assets",
        ):
            assert getattr(found, field) == getattr(job, field), field


async def test_a_changed_item_is_paid_once_and_replaces_its_file(made):
    made.lose_ledger()

    played = await made.play(TREES.replace("an elm", "an old elm"))

    assert played.code is ExitCode.OK
    assert made.paid == 4
    await made.check_files()


async def test_several_outputs_of_one_job_are_one_job_again(place):
    text = items("an oak", params="{numOutputs: 3}")
    await place.play(text)
    place.lose_ledger()
    (place.output / "a-2.png").unlink()
    (place.output / "a-2.png.json").unlink()

    played = await place.play(text)

    assert played.code is ExitCode.OK
    assert place.paid == 1
    await place.check_files()


# --- copied and moved


async def test_a_copy_of_a_folder_of_assets_pays_nothing_and_is_left_alone(made):
    made.lose_ledger()
    (made.output / "copy").mkdir()
    for path in made.output.glob("*.png*"):
        shutil.copy(path, made.output / "copy" / path.name)

    played = await made.play(TREES)

    assert (played.code, made.paid) == (ExitCode.OK, 3)
    assert played.result.counts["done"] == 3
    assert len(list((made.output / "copy").iterdir())) == 6


async def test_an_asset_that_was_moved_is_fetched_again_for_nothing(made):
    made.lose_ledger()
    (made.output / "sub").mkdir()
    before = (made.output / "a.png").read_bytes()
    for name in ("a.png", "a.png.json"):
        (made.output / name).rename(made.output / "sub" / name)

    played = await made.play(TREES)

    assert (played.code, made.paid) == (ExitCode.OK, 3)
    assert (made.output / "a.png").read_bytes() == before
    assert (made.output / "sub/a.png").read_bytes() == before


async def test_a_sidecar_without_its_asset_proves_that_it_is_paid_for(made):
    before = (made.output / "a.png").read_bytes()
    made.lose_ledger()
    (made.output / "a.png").unlink()

    played = await made.play(TREES)

    assert (played.code, made.paid) == (ExitCode.OK, 3)
    assert (made.output / "a.png").read_bytes() == before


# --- older than the files


@pytest.mark.parametrize("copy", [shutil.copy, shutil.copy2], ids=["now", "old times"])
async def test_a_newer_file_and_sidecar_at_a_known_path_are_learned(made, copy):
    """Another checkout has made an edited item again, and its files are pulled."""
    edited = TREES.replace("an elm", "an old elm")
    older = made.output.with_name("older")
    shutil.copytree(made.output, older)
    await made.play(edited)
    newer = made.job("b")
    pulled = {name: made.output / name for name in ("b.png", "b.png.json")}
    there = made.folder / "pulled"
    there.mkdir()
    for path in pulled.values():
        shutil.copy2(path, there)
    shutil.rmtree(made.output)
    older.rename(made.output)
    for name, path in pulled.items():
        path.unlink()
        copy(there / name, path)
    (made.folder / "knobs.yaml.lock").unlink()

    status = await made.type("plan", "--json")
    played = await made.play(edited)

    assert '"action":"submit"' not in status.out.replace(" ", "")
    assert (played.code, made.paid) == (ExitCode.OK, 4)
    assert played.result.counts == {"done": 3, "skipped": 0}
    assert made.job("b").remote_id == newer.remote_id
    assert [job.attempt for job in made.attempts("b")] == [2, 1]
    await made.check_files()


async def test_sidecars_that_have_not_changed_are_not_read_again(made, monkeypatch):
    read = []
    monkeypatch.setattr(
        rebuild, "load_sidecar", lambda _output, name: read.append(name)
    )
    written_s = max(p.stat().st_mtime for p in made.output.iterdir()) + 3600

    with Ledger(made.output / LEDGER_NAME, read_only=True) as ledger:
        assert not rebuild.find_missing_jobs(ledger, made.output, written_s=written_s)

    assert read == []


# --- deleted while jobs were in flight


async def test_jobs_that_left_no_sidecar_are_found_in_the_list_and_not_paid_again(
    place,
):
    left = await leave_when_saved(place, SIX)
    paid = place.paid
    place.lose_ledger()

    played = await place.play(SIX)

    assert left.exit_code is ExitCode.LEFT_IN_FLIGHT
    assert paid == 6
    assert played.code is ExitCode.OK
    assert place.paid == 6
    assert any(
        "5 earlier jobs found at the service" in text for text in played.warnings
    )
    await place.check_files()


async def test_who_made_a_job_that_asks_for_the_same_does_not_count(place):
    """With a new API key we are another author: its jobs are ours all the same."""
    left = await leave_when_saved(place, items("an oak"))
    ours = place.job("a")
    text = items("an oak", "an elm", "an ash")
    place.emulator.faults.rates["submit-402"] = 1.0
    await place.play(text)  # so that the seeds of the others are known
    place.emulator.faults.clear()
    requests = [place.job(name).request for name in "bc"]
    other = Credentials(key="k2", secret="s2", base_url=place.emulator.base_url)
    async with HttpApi(other, Settings(), place.clock) as api:
        made = {
            (await api.submit(ours.model_id, request)).job.remote_id
            for request in requests
        }
    place.lose_ledger()

    played = await place.play(text)

    assert left.counts["saved"] == 1
    assert all("seed" in request for request in requests)
    assert played.code is ExitCode.OK
    assert place.paid == 1 + 2
    assert made <= {car["job_id"] for car in place.sidecars().values()}


async def test_two_equal_items_do_not_take_one_forgotten_job_twice(place):
    text = items("an oak", "[slow=40] elm", "[slow=40] elm", params="{seed: 5}")
    await leave_when_saved(place, text)
    assert place.paid == 3
    place.lose_ledger()

    played = await place.play(text)

    assert (played.code, place.paid) == (ExitCode.OK, 3)
    assert len({car["job_id"] for car in place.sidecars().values()}) == 3


async def test_a_ledger_that_is_deleted_under_a_run_loses_nothing(place):
    lost = []

    def lose(event):
        if isinstance(event, JobChanged) and event.status is JobStatus.SAVED:
            if not lost:
                place.lose_ledger()
            lost.append(event.item_id)

    first = await place.play(SIX, on_event=lose)
    second = await place.play(SIX)

    assert lost
    assert first.error is None or first.code is ExitCode.STORAGE
    assert second.code is ExitCode.OK
    assert place.paid == 6
    await place.check_files()


# --- damaged


def flip(data: bytes, start: int, length: int = 400) -> bytes:
    return (
        data[:start]
        + bytes(b ^ 0xFF for b in data[start : start + length])
        + (data[start + length :])
    )


def pages_of(data: bytes) -> dict[str, int]:
    """The byte at which the pages of a database of ours are hurt."""
    return {"middle": len(data) // 2, "second-page": 4096, "head": 0}


@pytest.mark.parametrize("end", ["clean", "killed"])
@pytest.mark.parametrize("harm", ["middle", "second-page", "head", "cut", "empty"])
async def test_a_damaged_ledger_costs_at_most_one_failed_run(harm, end, made):
    path = made.output / LEDGER_NAME
    if end == "killed":
        with Ledger(path) as ledger:
            ledger.record_run_started(made.clock.utc_now())
    data = path.read_bytes()
    match harm:
        case "cut":
            path.write_bytes(data[: len(data) // 2])
        case "empty":
            path.write_bytes(b"")
        case _:
            path.write_bytes(flip(data, pages_of(data)[harm]))

    plays = [await made.play(TREES) for _ in range(2)]

    assert {play.code for play in plays} <= {ExitCode.OK, ExitCode.STORAGE}
    assert plays[-1].code is ExitCode.OK, plays[-1].error
    assert made.paid == 3
    assert set(made.statuses().values()) == {JobStatus.SAVED}
    await made.check_files()


@pytest.mark.parametrize("page", range(1, 9))
async def test_whichever_page_is_hurt_a_later_run_is_well(page, made):
    path = made.output / LEDGER_NAME
    data = path.read_bytes()
    if page * 4096 >= len(data):
        pytest.skip("the ledger has no such page")
    path.write_bytes(flip(data, page * 4096, 4096))

    plays = [await made.play(TREES) for _ in range(2)]

    assert plays[-1].code is ExitCode.OK, plays[-1].error
    assert made.paid == 3


@pytest.mark.parametrize("word", [b"saved", b"an oak", b"2026-", b'"size"', b"job_"])
@pytest.mark.parametrize("byte", [0x00, 0xFF], ids=["nul", "no-text"])
async def test_a_row_that_makes_no_sense_is_damage_and_no_bug(word, byte, made):
    path = made.output / LEDGER_NAME
    data = path.read_bytes()
    pages = [data[start : start + 4096] for start in range(0, len(data), 4096)]
    hurt = [
        # The first page and those with the tables' texts are no rows.
        page if not number or b"CREATE " in page else page.replace(word, wrong)
        for wrong in (bytes([byte]) * len(word),)
        for number, page in enumerate(pages)
    ]
    assert hurt != pages
    path.write_bytes(b"".join(hurt))

    plays = [await made.play(TREES) for _ in range(3)]

    assert {play.code for play in plays} <= {ExitCode.OK, ExitCode.STORAGE}
    assert plays[-1].code is ExitCode.OK, plays[-1].error
    assert made.paid == 3


async def test_a_damaged_ledger_is_kept_beside_the_new_one(made):
    path = made.output / LEDGER_NAME
    path.write_bytes(b"this is no database at all" * 300)
    harmed = path.read_bytes()

    played = await made.play(TREES)

    (aside,) = made.output.glob(f"{LEDGER_NAME}.damaged-*")
    assert aside.read_bytes() == harmed
    assert played.code is ExitCode.OK


async def test_what_can_be_read_of_a_damaged_ledger_is_kept(place):
    """Final failures have no sidecar."""
    text = items("an oak", "an elm [never]")
    await place.play(text)
    await place.type("resolve", "b", "--give-up")
    path = place.output / LEDGER_NAME
    with Ledger(path) as ledger:
        ledger.record_run_started(place.clock.utc_now())  # and it was killed
        ledger._connection.execute("CREATE TABLE filler (text)")
        ledger._connection.execute(
            "INSERT INTO filler VALUES (?)", ("filler of a page " * 2000,)
        )
    data = path.read_bytes()
    start = data.rindex(b"filler of a page ") // 4096 * 4096
    path.write_bytes(flip(data, start, 4))

    played = await place.play(text)

    assert list(place.output.glob(f"{LEDGER_NAME}.damaged-*"))
    assert played.result.counts == {"done": 1, "skipped": 1}
    assert place.job("b").failure.kind is FailureClass.GIVEN_UP
    assert [job.attempt for job in place.attempts("b")] == [2, 1]
    assert place.paid == 2


# --- another service's


async def test_sidecars_of_another_service_are_refused(made, use):
    made.lose_ledger()
    async with Emulator(profile=made.emulator.service.profile) as other:
        use(other.base_url)
        said = await made.type("run")

        assert said.code == 2
        assert "belongs to the service" in said.err
        assert other.counters()["requests"] == {}
    assert len(made.sidecars()) == 3


async def test_emulated_sidecars_are_refused_by_a_real_run(made):
    requests = dict(made.counters["requests"])
    made.lose_ledger()
    for path in made.output.glob("*.json"):
        text = path.read_text(encoding="utf-8")
        assert made.emulator.base_url in text
        path.write_text(text.replace(made.emulator.base_url, EMULATOR_NAME))

    said = await made.type("run")

    assert said.code == 2
    assert "belongs to the service emulator" in said.err
    assert made.counters["requests"] == requests


# --- lost for longer than jobs count as recent


async def lose_after_a_day(place, text):
    """Nothing is left of a run but one sidecar, and it is no longer recent."""
    await place.play(text)
    place.lose_ledger()
    for path in place.output.glob("*.png*"):
        if not path.name.startswith("a.png.json"):
            path.unlink()
    place.clock.jump(DAY_S)


async def test_a_job_of_yesterday_is_found_and_not_paid_again(place):
    await lose_after_a_day(place, TREES)

    played = await place.play(TREES)

    assert (played.code, place.paid) == (ExitCode.OK, 3)
    assert any("2 earlier jobs found" in text for text in played.warnings)
    await place.check_files()


async def test_an_item_renamed_since_takes_its_job_with_the_seed_it_was_made_with(
    place_of,
):
    async with place_of({"prompt_archived_s": None}) as place:
        await lose_after_a_day(place, TREES)

        played = await place.play(TREES.replace("{id: b,", "{id: elm,"))

        job, car = place.job("elm"), place.sidecars()["elm.png"]
        made = place.emulator.service.read_job(job.remote_id)["job"]
        assert (played.code, place.paid) == (ExitCode.OK, 3)
        assert job.request is not None
        assert job.request["seed"] == made["metadata"]["input"]["seed"]
        assert car["request"]["seed"] == job.request["seed"]
        await place.check_files()


async def test_a_job_that_may_be_the_items_is_for_a_person_to_decide(place_of):
    """With a seed of the user's and a prompt that is not shown, two items look alike."""
    text = items("an oak", "an elm", params="{seed: 7}")
    async with place_of({"prompt_archived_s": 0.0}) as place:
        await lose_after_a_day(place, text)

        played = await place.play(text)

        failure = place.job("b").failure
        assert (played.code, place.paid) == (ExitCode.UNKNOWN_OUTCOME, 2)
        assert place.job("b").status is JobStatus.UNKNOWN
        assert failure is not None
        assert failure.reason.startswith("the ledger was lost, and its job may be job_")
        assert failure.hint == "decide with: pipeline resolve"
