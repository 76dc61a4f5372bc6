"""Migrations: a ledger of an older version keeps every row, and readers never touch it.

And what a ledger's jobs have taken of a budget, read without reading the jobs.
"""

import hashlib
import sqlite3
from decimal import Decimal
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import LedgerDamaged, LedgerError
from pipeline.job import AssetId, Failure, FailureClass, Job, JobKey, JobStatus
from pipeline.ledger.ledger import IN_MEMORY, Ledger
from pipeline.ledger.migrations import CURRENT_VERSION, STEPS
from pipeline.record import replace

S = JobStatus
FORMAT_1 = (files("pipeline.ledger") / "schema.sql").read_text("utf-8")
ROWS_1 = """
INSERT INTO meta VALUES ('base_url', 'https://api.example/v1'), ('project_id', 'p');
INSERT INTO jobs VALUES
    (1, 'oak', 1, 'k-oak', 'r-oak', 'model_x', 'saved', '{"prompt": "oak", "seed": 7}',
     7, 1, 'job_1', 'https://api.example/v1', 'p', 'apiu_1', '7.25',
     '2026-03-01T12:00:00.000Z', '2026-03-01T12:00:01.000Z',
     '2026-03-01T12:00:02.000Z', '2026-03-01T12:00:03.000Z', '["asset_1"]', NULL,
     NULL, NULL, NULL, NULL),
    (2, 'elm', 1, 'k-elm', 'r-elm', 'model_x', 'failed', '{"prompt": "elm"}',
     NULL, 0, NULL, 'https://api.example/v1', 'p', '', NULL,
     '2026-03-01T12:00:00.000Z', NULL, NULL, NULL, '[]', NULL,
     'refused', 'odd', '', ''),
    (3, 'elm', 2, 'k-elm2', 'r-elm2', 'model_x', 'submitted', '{"prompt": "an elm"}',
     NULL, 0, 'job_3', 'https://api.example/v1', 'p', '', '6',
     '2026-03-01T12:00:00.000Z', '2026-03-01T12:00:01.000Z', NULL, NULL, '[]', NULL,
     NULL, NULL, NULL, NULL),
    (4, 'fir', 1, 'k-fir', 'r-fir', 'model_x', 'unknown', '{"prompt": "fir"}',
     NULL, 0, NULL, 'https://api.example/v1', 'p', '', NULL,
     '2026-03-01T12:00:00.000Z', NULL, NULL, NULL, '[]', NULL,
     NULL, 'lost', '', '');
INSERT INTO assets VALUES
    (1, 1, 'asset_1', 'oak.png', 'abc', 1000, 'image/png', 512, 256);
INSERT INTO uploads VALUES ('sha', 'p', 'asset_up_1', '2026-03-01T12:00:00.000Z');
INSERT INTO runs VALUES (1, '2026-03-01T12:00:00.000Z', '2026-03-01T12:00:09.000Z', 0);
"""


@pytest.fixture
def old_path(path):
    """A ledger as the first version left it, with its journal folded in."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(f"{FORMAT_1}{ROWS_1}PRAGMA user_version = 1;")
    connection.close()
    return path


def version_of(path):
    connection = sqlite3.connect(path)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    return version


def assert_every_row_is_there(ledger):
    [oak] = ledger.find_jobs_of("oak")
    assert (oak.status, oak.charged, oak.seed) == (S.SAVED, Decimal("7.25"), 7)
    assert oak.request == {"prompt": "oak", "seed": 7}
    assert oak.derived_seed
    assert [asset.path for asset in oak.assets] == ["oak.png"]
    newest, first = ledger.find_jobs_of("elm")
    assert (newest.status, newest.remote_id) == (S.SUBMITTED, "job_3")
    assert first.failure == Failure(kind=FailureClass.REFUSED, reason="odd")
    [fir] = ledger.find_jobs_of("fir")
    assert fir.status is S.UNKNOWN
    for job in (oak, newest, first, fir):
        assert (job.quoted, job.refunded, job.addons) == (None, None, {})
    assert ledger.find_facts().base_url == "https://api.example/v1"
    assert ledger.find_uploads("p") == {"sha": AssetId("asset_up_1")}
    assert sum(units for _, _, units in ledger.find_commitments()) == Decimal("13.25")


def test_the_first_version_s_rows_are_kept(old_path):
    with Ledger(old_path) as ledger:
        assert_every_row_is_there(ledger)
        assert ledger.is_current

    assert version_of(old_path) == CURRENT_VERSION
    with Ledger(old_path, read_only=True) as reader:
        assert reader.is_current
        assert_every_row_is_there(reader)


def test_what_was_paid_before_there_were_prices_counts_in_a_budget(old_path):
    with Ledger(old_path) as ledger:
        taken = {row_id: units for row_id, _, units in ledger.find_commitments()}

    assert taken == {1: Decimal("7.25"), 2: 0, 3: 6, 4: 0}


def test_a_migrated_row_can_take_a_price(old_path):
    with Ledger(old_path) as ledger:
        [job] = ledger.find_jobs_of("fir")
        planned = ledger.record_planned(job)

        from_now = ledger.record_submitting(replace(planned, quoted=Decimal("0.1")))

        assert ledger.find_jobs_of("fir")[0].quoted == Decimal("0.1")
        assert from_now.committed == Decimal("0.1")


def test_a_reader_shows_an_older_version_as_a_copy_and_leaves_the_file_alone(old_path):
    before = hashlib.sha256(old_path.read_bytes()).digest()

    with (
        Ledger(old_path, read_only=True) as reader,
        reader.copy_in_memory() as copy,
    ):
        assert not reader.is_current
        assert_every_row_is_there(copy)
        copy.record_facts(tool="another")

    assert hashlib.sha256(old_path.read_bytes()).digest() == before
    assert version_of(old_path) == 1


@pytest.mark.parametrize("version", range(CURRENT_VERSION))
def test_a_file_of_every_earlier_version_is_brought_up_to_date(path, version):
    connection = sqlite3.connect(path)
    for step in STEPS[:version]:
        connection.executescript(step)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()

    with Ledger(path) as ledger:
        assert list(ledger.find_jobs_in(*JobStatus)) == []

    with Ledger(IN_MEMORY) as fresh:
        assert tables_of(path) == tables_in(fresh._connection)


def tables_of(path):
    connection = sqlite3.connect(path)
    found = tables_in(connection)
    connection.close()
    return found


def tables_in(connection):
    return sorted(connection.execute("SELECT type, name, sql FROM sqlite_master"))


def test_a_migration_that_is_cut_short_leaves_the_old_version(old_path, monkeypatch):
    broken = STEPS[1] + "ALTER TABLE no_such_table ADD COLUMN x TEXT;"
    steps = (STEPS[0], broken, *STEPS[2:])
    monkeypatch.setattr("pipeline.ledger.migrations.STEPS", steps)

    with pytest.raises(LedgerError):
        Ledger(old_path)

    assert version_of(old_path) == 1
    monkeypatch.undo()
    with Ledger(old_path) as ledger:
        assert_every_row_is_there(ledger)


def test_a_newer_version_is_refused_by_readers_and_writers(old_path):
    connection = sqlite3.connect(old_path)
    connection.execute(f"PRAGMA user_version = {CURRENT_VERSION + 1}")
    connection.close()

    for read_only in (False, True):
        with pytest.raises(LedgerError, match="newer version"):
            Ledger(old_path, read_only=read_only)


# --- commitments ----------------------------------------------------------------------------

units = st.none() | st.decimals(
    min_value=0, max_value=10**6, places=6, allow_nan=False, allow_infinity=False
)


@st.composite
def rows(draw, number):
    status = draw(st.sampled_from([*JobStatus]))
    kind = draw(st.none() | st.sampled_from([*FailureClass]))
    return Job(
        item_id=f"item-{number}",
        attempt=1,
        job_key=JobKey("key"),
        request_key=JobKey("request"),
        model_id="model_x",
        status=status,
        remote_id=draw(st.none() | st.just(f"job_{number}")),
        quoted=draw(units),
        charged=draw(units),
        refunded=draw(units),
        failure=draw(st.none() | st.just(Failure(kind=kind, reason="why"))),
    )


@given(data=st.data(), count=st.integers(0, 8))
def test_commitments_are_what_the_jobs_themselves_say(data, count):
    jobs = [data.draw(rows(number)) for number in range(count)]
    with Ledger(IN_MEMORY) as ledger:
        for job in jobs:
            ledger.record_salvaged(job)
        read = list(ledger.find_jobs_in(*JobStatus))

        found = list(ledger.find_commitments())

    assert [units for _, _, units in found] == [job.committed for job in jobs]
    assert found == [(job.row_id, job.status, job.committed) for job in read]


@pytest.mark.parametrize(
    ("column", "value"),
    [("charged", "cheap"), ("status", "eaten"), ("failure_class", "boredom")],
)
def test_a_commitment_that_cannot_be_read_is_damage(old_path, column, value):
    with Ledger(old_path) as ledger:
        ledger._connection.execute(
            f"UPDATE jobs SET {column} = ? WHERE row_id = 3", (value,)
        )

        with pytest.raises(LedgerDamaged, match="job 3 cannot be read"):
            list(ledger.find_commitments())
