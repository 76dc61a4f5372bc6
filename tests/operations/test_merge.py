"""Merge: five shards become what one run makes, item for item; nothing is lost."""

import json
import shutil
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path

import anyio
import pytest
from doubles.place import PATIENT, everything_in
from filelock import FileLock
from knobs.world import KEY, SECRET

from pipeline.clock import SystemClock
from pipeline.errors import ExitCode, LedgerBusy, OutputError, UsageError
from pipeline.job import JobStatus
from pipeline.ledger.ledger import LEDGER_NAME, Ledger
from pipeline.manifest import load_manifest
from pipeline.operations.join_reports import find_reports, join_reports
from pipeline.operations.merge import find_output, merge
from pipeline.operations.plan import estimate
from pipeline.operations.run import run
from pipeline.operations.status import read_status
from pipeline.operations.verify import verify
from pipeline.planning import Selection
from pipeline.planning.shards import Shard
from pipeline.record import asdict
from pipeline.record import replace as replace_record
from pipeline.settings import Credentials
from pipeline.storage import atomic_file, folder
from pipeline.storage.atomic_file import put_in_place
from pipeline.storage.folder import Folder

COUNT = 5
TEXT = """\
version: 1
name: icons
model: model_wan-2-7-image
params: {size: 1K}
items:
  - id: tree-${n}
    prompt: tree ${n}
    matrix: {n: [a, b, c, d, e, f, g, h, i, j]}
  - {id: hero, prompt: a hero, takes: 2}
  - {id: pose, prompt: a pose, params: {images: [item:hero]}}
  - {id: bad, prompt: '[fail] a bad one'}
"""
# What depends on the moment, or on the series of ids of one emulator.
_OF_THE_MOMENT = (
    "row_id", "remote_id", "remote_assets", "sent_at", "submitted_at", "finished_at",
    "saved_at", "author_id", "base_url", "mark_id", "request", "failure", "made_with",
)  # fmt: skip


class Checkouts:
    """Checkouts of one repository, each with its own output folder."""

    def __init__(self, place, folder):
        self.place = place
        self.folder = folder
        self.text = TEXT

    def path(self, name):
        return self.folder / name / "output" / "icons"

    def manifest(self, name):
        path = self.folder / name / "manifests" / "icons.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.text)
        return path

    def lock(self, name):
        return self.manifest(name).with_name("icons.yaml.lock")

    async def run(self, name, **more):
        settings = more.pop("settings", PATIENT)
        return await run(
            self.manifest(name),
            output=self.path(name),
            credentials=Credentials(
                key=KEY, secret=SECRET, base_url=self.place.emulator.base_url
            ),
            settings=settings,
            clock=self.place.clock,
            **more,
        )

    async def run_shards(self, count=COUNT, *, start="", **more):
        """One checkout for each shard, one after the other; their names."""
        names = [f"shard-{number}" for number in range(1, count + 1)]
        for number, name in enumerate(names, start=1):
            if start:
                self.manifest(name)
                shutil.copyfile(self.lock(start), self.lock(name))
            selection = Selection(shard=Shard(number, count))
            await self.run(name, selection=selection, **more)
        return names

    def merge(self, names, target="merged"):
        self.manifest(target)
        return merge(
            [self.path(name) for name in names], self.path(target), clock=SystemClock()
        )

    def rows(self, name):
        """Every attempt without what depends on the moment, by item and number."""
        with Ledger(self.path(name) / LEDGER_NAME, read_only=True) as ledger:
            jobs = [asdict(job) for job in ledger.find_jobs_in(*JobStatus)]
        for job in jobs:
            job["assets"] = [replace_record(a, asset_id="") for a in job["assets"]]
            keys = ("job_key", "request_key") * (job["item_id"] == "pose")
            for key in (*_OF_THE_MOMENT, *keys):  # a child's hold its parent's asset id
                del job[key]
        return {(job["item_id"], job["attempt"]): job for job in jobs}

    def files(self, name):
        """Every asset with its bytes, and what its sidecar says of the item."""
        folder = self.path(name)
        found = {}
        for path in sorted(folder.rglob("*.png")):
            sidecar = json.loads(Path(f"{path}.json").read_text())
            found[path.relative_to(folder).as_posix()] = (
                path.read_bytes(),
                [sidecar[key] for key in ("item_id", "seed", "cost", "sha256")],
            )
        return found

    def open_marks(self, name):
        with Ledger(self.path(name) / LEDGER_NAME, read_only=True) as ledger:
            return ledger.find_open_marks()

    async def plan(self, name):
        planned = {}
        await estimate(
            self.manifest(name),
            output=self.path(name),
            offline=True,
            credentials=Credentials(
                key=KEY, secret=SECRET, base_url=self.place.emulator.base_url
            ),
            on_item=lambda one: planned.update({one.item.item_id: str(one.action)}),
        )
        return planned

    def status(self, name):
        status = read_status(
            load_manifest(self.manifest(name)),
            Folder(self.path(name)),
            emulate=False,
        )
        return dict(status.counts), status.cost.net, status.orphans


@pytest.fixture
def checkouts(place, tmp_path):
    return Checkouts(place, tmp_path)


def lock_without_ids(path):
    """A lock file without the service's ids, which differ from run to run."""
    return [
        line
        for line in path.read_text().splitlines()
        if not line.strip().startswith(("job: ", "- id: asset", "service: "))
        and "_key: " not in line
    ]


async def test_five_shards_and_a_merge_equal_one_run(checkouts, place_of, tmp_path):
    async with place_of() as other:  # or the shards would take over its jobs
        single = await Checkouts(other, tmp_path).run("single")
        made = other.paid
    names = await checkouts.run_shards()

    merged = checkouts.merge(names)

    assert single.exit_code is ExitCode.ITEMS_FAILED  # one item always fails
    assert checkouts.place.paid == made == 14
    assert checkouts.rows("merged") == checkouts.rows("single")
    assert checkouts.files("merged") == checkouts.files("single")
    assert await checkouts.plan("merged") == await checkouts.plan("single")
    assert checkouts.status("merged") == checkouts.status("single")
    assert lock_without_ids(checkouts.lock("merged")) == lock_without_ids(
        checkouts.lock("single")
    )
    assert {str(one.finding) for one in verify(Folder(checkouts.path("merged")))} == {
        "ok"
    }
    assert (merged.items, merged.jobs) == (13, 14)
    assert merged.lock_file == checkouts.lock("merged")
    again = await checkouts.run("merged", selection=Selection(globs=("[!b]*",)))
    assert (again.exit_code, again.submitted) == (ExitCode.OK, 0)


async def test_merging_again_changes_nothing(checkouts):
    names = await checkouts.run_shards(2)
    checkouts.merge(names)
    rows, files = checkouts.rows("merged"), everything_in(checkouts.path("merged"))

    merged = checkouts.merge([*names, names[0]])

    assert merged.copied == 0
    assert checkouts.rows("merged") == rows
    after = everything_in(checkouts.path("merged"))
    assert {n: f for n, f in after.items() if "ledger" not in n} == {
        n: f for n, f in files.items() if "ledger" not in n
    }


async def test_the_shards_folders_are_only_read(checkouts):
    names = await checkouts.run_shards(2)
    before = [everything_in(checkouts.path(name)) for name in names]

    checkouts.merge(names)

    for name, files in zip(names, before, strict=True):
        after = everything_in(checkouts.path(name))
        assert {n: f[1] for n, f in after.items() if "ledger.sqlite3-" not in n} == {
            n: f[1] for n, f in files.items() if "ledger.sqlite3-" not in n
        }


async def test_shards_that_start_from_a_lock_file_pay_for_what_is_new(checkouts):
    checkouts.text = TEXT.replace("h, i, j]", "h]").replace(", takes: 2", "")
    await checkouts.run("before")
    paid = checkouts.place.paid
    checkouts.text = TEXT.replace("tree ${n}", "tree ${n}", 1)

    names = await checkouts.run_shards(3, start="before")
    checkouts.merge(names)

    assert checkouts.place.paid == paid + 4  # two trees, a take, and the one that fails
    planned = await checkouts.plan("merged")
    assert set(planned.values()) == {"done", "submit"}
    assert [one for one, action in planned.items() if action == "submit"] == ["bad"]


async def test_a_new_attempt_replaces_the_file_of_an_earlier_one(checkouts):
    """Each shard starts from the merged folder of the last build, and one edits."""
    checkouts.text = TEXT.replace("  - {id: bad, prompt: '[fail] a bad one'}\n", "")
    await checkouts.run("merged")
    names = [f"shard-{number}" for number in range(1, 4)]
    for name in names:
        shutil.copytree(checkouts.path("merged"), checkouts.path(name))
    checkouts.text = checkouts.text.replace("a pose,", "another pose,")
    await checkouts.run_shards(3)

    checkouts.merge(names)

    assert set((await checkouts.plan("merged")).values()) == {"done"}
    assert {str(one.finding) for one in verify(Folder(checkouts.path("merged")))} == {
        "ok"
    }
    assert ("pose", 2) in checkouts.rows("merged")


async def test_an_item_renamed_in_a_shard_is_renamed_in_the_target(checkouts):
    checkouts.text = TEXT.replace("  - {id: bad, prompt: '[fail] a bad one'}\n", "")
    await checkouts.run("merged")
    paid = checkouts.place.paid
    checkouts.text = checkouts.text.replace("id: pose,", "id: stance, was: pose,")
    names = await checkouts.run_shards(2, start="merged")

    checkouts.merge(names)

    assert checkouts.place.paid == paid
    assert set((await checkouts.plan("merged")).values()) == {"done"}
    assert not (checkouts.path("merged") / "pose.png").exists()
    assert {str(one.finding) for one in verify(Folder(checkouts.path("merged")))} == {
        "ok"
    }


@pytest.mark.parametrize("copied", [1, 2, 5])
async def test_a_merge_that_was_killed_is_finished_by_the_next(
    checkouts, monkeypatch, copied
):
    names = await checkouts.run_shards(2)
    left = copied

    def put(partial_file, target, name):
        nonlocal left
        if target == checkouts.path("merged") and not name.startswith("ledger"):
            if not left:
                raise KeyboardInterrupt
            left -= 1
        return put_in_place(partial_file, target, name)

    with monkeypatch.context() as patched:
        patched.setattr(folder, "put_in_place", put)
        patched.setattr(atomic_file, "put_in_place", put)
        with pytest.raises(KeyboardInterrupt):
            checkouts.merge(names)
    checkouts.merge(names)
    checkouts.merge(names, "whole")

    assert checkouts.files("merged") == checkouts.files("whole")
    assert checkouts.rows("merged") == checkouts.rows("whole")


async def test_galleries_of_shards_are_no_conflict_and_are_not_copied(checkouts):
    names = await checkouts.run_shards(2, report=True)

    checkouts.merge(names)

    assert all(
        (checkouts.path(name) / "gallery" / "data.js").exists() for name in names
    )
    assert not (checkouts.path("merged") / "gallery").exists()


async def test_a_file_that_was_edited_in_one_of_two_is_a_conflict(checkouts):
    await checkouts.run("one", selection=Selection(globs=("tree-a", "tree-b")))
    shutil.copytree(checkouts.folder / "one", checkouts.folder / "two")
    (checkouts.path("two") / "tree-a.png").write_bytes(b"edited")

    with pytest.raises(UsageError, match=r"tree-a\.png in .*one.* and .*two") as raised:
        checkouts.merge(["one", "two"])

    assert "nothing is merged" in raised.value.message
    assert not list(checkouts.path("merged").glob("*.png"))


async def test_two_jobs_paid_for_one_item_are_a_conflict_and_both_are_named(checkouts):
    only = Selection(globs=("tree-a",))
    await checkouts.run("one", selection=only)
    checkouts.text = TEXT.replace("tree ${n}", "another tree ${n}")
    await checkouts.run("two", selection=only)

    with pytest.raises(UsageError, match=r"tree-a\.png in .*two.* and .*one"):
        checkouts.merge(["one", "two"])


async def test_a_file_of_the_user_is_copied_and_never_overwritten(checkouts):
    names = await checkouts.run_shards(2)
    for name in (*names, "merged"):
        checkouts.path(name).mkdir(parents=True, exist_ok=True)
        (checkouts.path(name) / "notes.txt").write_text("ours")
    (checkouts.path(names[0]) / "more.txt").write_text("more")
    checkouts.merge(names)
    (checkouts.path(names[1]) / "notes.txt").write_text("theirs")

    with pytest.raises(UsageError, match=r"notes\.txt"):
        checkouts.merge(names)

    assert (checkouts.path("merged") / "notes.txt").read_text() == "ours"
    assert (checkouts.path("merged") / "more.txt").read_text() == "more"


@pytest.mark.parametrize(
    ("fact", "value", "word"),
    [
        ("base_url", "https://other.example/v1", "service"),
        ("project_id", "project_other", "project"),
        ("key_project", "project_other", "project"),
        ("manifest", "props", "manifest"),
        ("profile", "final", "profile"),
    ],
)
async def test_folders_of_others_are_refused(checkouts, fact, value, word):
    for name in ("one", "two"):
        await checkouts.run(name, selection=Selection(globs=("tree-a",)))
    for name, text in (("one", "mine"), ("two", value)):
        with Ledger(checkouts.path(name) / LEDGER_NAME) as ledger:
            if fact == "key_project" or name == "two":
                ledger.record_facts(**{fact: text})

    with pytest.raises(UsageError, match=f"belongs to the {word}"):
        checkouts.merge(["one", "two"])


async def test_a_folder_in_which_a_run_is_at_work_is_refused(checkouts):
    await checkouts.run("one", selection=Selection(globs=("tree-a",)))

    for held in ("one", "merged"):
        checkouts.path(held).mkdir(parents=True, exist_ok=True)
        with FileLock(checkouts.path(held) / "ledger.lock"), pytest.raises(LedgerBusy):
            checkouts.merge(["one"])


async def test_a_lock_that_leads_to_a_file_of_the_user_is_refused(checkouts, tmp_path):
    await checkouts.run("one", selection=Selection(globs=("tree-a",)))
    (tmp_path / "novel.txt").write_text("my novel")
    lock = checkouts.path("one") / "ledger.lock"
    lock.unlink()
    lock.symlink_to(tmp_path / "novel.txt")

    with pytest.raises(OutputError, match="a link that leads outside"):
        checkouts.merge(["one"])

    assert (tmp_path / "novel.txt").read_text() == "my novel"


async def test_a_shard_without_its_ledger_is_merged_from_its_sidecars(checkouts):
    names = await checkouts.run_shards(2)
    for path in checkouts.path(names[0]).glob("ledger.*"):
        path.unlink()

    checkouts.merge(names)

    planned = await checkouts.plan("merged")
    assert {action for one, action in planned.items() if one != "bad"} == {"done"}


async def test_a_budget_divided_among_shards_is_never_exceeded(checkouts):
    """Nor is it when they start from the lock file of what was paid for before."""
    checkouts.text = TEXT.replace("[fail] ", "").replace("h, i, j]", "h]")
    await checkouts.run("before")
    checkouts.text = TEXT.replace("[fail] ", "").replace("tree ${n}", "big tree ${n}")
    limit = Decimal(120)

    names = await checkouts.run_shards(
        3, start="before", settings=replace(PATIENT, max_cost=limit)
    )

    counters = checkouts.place.counters
    assert limit - 6 * len(names) < counters["charged_cu"] <= limit
    checkouts.merge(names)
    assert checkouts.status("merged")[1] == counters["charged_cu"]


async def test_the_list_of_jobs_is_compared_once_the_shards_are_merged(checkouts):
    """A shard cannot tell the jobs of other shards from those that were lost."""
    names = ["shard-1", "shard-2"]
    events = []
    async with anyio.create_task_group() as both:
        for number, name in enumerate(names, start=1):
            selection = Selection(shard=Shard(number, 2))
            run_shard = partial(
                checkouts.run, name, selection=selection, on_event=events.append
            )
            both.start_soon(run_shard)
    open_before = [checkouts.open_marks(name) for name in names]

    checkouts.merge(names)
    joined = checkouts.open_marks("merged")
    await checkouts.run("merged", on_event=events.append)

    said = [getattr(event, "message", "") for event in events]
    assert not [text for text in said if "no item of this folder" in text]
    assert all(open_before)
    assert joined
    assert checkouts.open_marks("merged") == []


async def test_a_shard_reads_the_list_no_further_back_than_its_last_run(checkouts):
    """Where its folder is kept, the marks of each run would be read by all later ones."""
    shards = [Selection(shard=Shard(number, 2)) for number in (1, 2)]
    marks = []
    for size in ("1K", "2K", "1024*1024"):
        checkouts.text = TEXT.replace("size: 1K", f"size: '{size}'")
        async with anyio.create_task_group() as both:
            for number, selection in enumerate(shards, start=1):
                run_shard = partial(
                    checkouts.run, f"shard-{number}", selection=selection
                )
                both.start_soon(run_shard)
        marks.append([one.mark_id for one in checkouts.open_marks("shard-1")])

    assert [len(open_now) for open_now in marks] == [1, 1, 1]
    assert len({open_now[0] for open_now in marks}) == 3


async def test_an_output_folder_is_found_inside_of_an_artifact(checkouts):
    await checkouts.run("one", selection=Selection(globs=("tree-a",)))
    await checkouts.run("two", selection=Selection(globs=("tree-a",)))

    assert find_output(checkouts.folder / "one") == checkouts.path("one")
    with pytest.raises(UsageError, match="several output folders"):
        find_output(checkouts.folder)
    with pytest.raises(UsageError, match="no output folder"):
        find_output(checkouts.manifest("one").parent)


# --- reports -----------------------------------------------------------------------


SUITE = (
    '<testsuite name="{0}" tests="2" failures="1" time="1.5">'
    '<testcase name="{0}-a"/><testcase name="{0}-b"><failure/></testcase></testsuite>'
)


def test_junit_reports_beside_the_folders_are_joined(tmp_path):
    for name, text in (
        ("one", SUITE.format("one")),
        (
            "two",
            f"<testsuites>{SUITE.format('two')}{SUITE.format('three')}</testsuites>",
        ),
        ("other", "<svg/>"),
    ):
        (tmp_path / name / "output").mkdir(parents=True)
        (tmp_path / name / "output" / LEDGER_NAME).touch()
        (tmp_path / name / "output" / "asset.xml").write_text(SUITE)
        (tmp_path / name / "report.xml").write_text(text)
    places = [tmp_path / "one", tmp_path / "two" / "output", tmp_path / "other"]

    reports = find_reports(places)
    joined = join_reports(reports, tmp_path / "all.xml")

    assert [path.parent.name for path in reports] == ["one", "two", "other"]
    assert joined == 2
    text = (tmp_path / "all.xml").read_text()
    assert 'tests="6"' in text
    assert 'failures="3"' in text
    assert 'time="4.500"' in text
    assert text.count("<testcase") == 6


def test_a_report_that_is_not_xml_is_named(tmp_path):
    (tmp_path / "report.xml").write_text("<testsuite")

    with pytest.raises(UsageError, match=r"report\.xml cannot be read"):
        join_reports(find_reports([tmp_path]), tmp_path / "all.xml")
