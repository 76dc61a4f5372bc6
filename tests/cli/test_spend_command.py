"""``pipeline spend``: what the ledgers say has been paid, summed."""

import json
import sqlite3
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from pipeline.cli.main import run_command
from pipeline.cli.options import CU_PRICE_VARIABLE
from pipeline.errors import ExitCode
from pipeline.job import AssetId, Failure, FailureClass, Job, JobStatus
from pipeline.ledger.ledger import LEDGER_NAME, Ledger
from pipeline.ledger.migrations import STEPS
from pipeline.lockfile import lock_path, write_lock
from pipeline.settings import EMULATOR_NAME

MAY, JUNE = (datetime(2026, month, 5, 12, tzinfo=UTC) for month in (5, 6))
SERVICE = "https://api.example/v1"


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(CU_PRICE_VARIABLE, raising=False)


@pytest.fixture
def spend(capsys):
    """Types the command: exit code, stdout, stderr."""

    def run(*arguments):
        code = run_command(["spend", *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def lines(spend):
    """The command's JSON lines."""

    def run(*arguments):
        _, out, _ = spend("--json", *arguments)
        return [json.loads(line) for line in out.splitlines()]

    return run


@pytest.fixture
def by_key(lines):
    """The command's JSON lines by what they sum."""
    return lambda *arguments: {
        (line["by"], line["key"]): line for line in lines(*arguments)
    }


def job(name, units="3", **named):
    values = {
        "item_id": name,
        "attempt": 1,
        "job_key": f"key-{name}",
        "request_key": f"key-{name}",
        "model_id": "model_x",
        "status": JobStatus.SAVED,
        "request": {"prompt": name},
        "remote_id": f"job_{name}",
        "base_url": SERVICE,
        "quoted": Decimal(units),
        "charged": Decimal(units),
        "sent_at": MAY,
        "submitted_at": MAY,
        **named,
    }
    return Job(**values)


def lost(name, status=JobStatus.UNKNOWN, **named):
    return job(
        name, status=status, remote_id=None, charged=None, submitted_at=None, **named
    )


def failed(name, kind, **named):
    failure = Failure(kind=kind, reason="why")
    return job(name, status=JobStatus.FAILED, failure=failure, **named)


@contextmanager
def writing(folder):
    folder.mkdir(parents=True, exist_ok=True)
    with Ledger(folder / LEDGER_NAME) as ledger:
        yield ledger


def put(folder, *jobs, **facts):
    """A ledger with these jobs."""
    with writing(folder) as ledger:
        ledger.record_facts(**{"base_url": SERVICE, **facts})
        for one in jobs:
            ledger.record_salvaged(one)


def units_of(line):
    names = ("jobs", "quoted", "reserved", "charged", "refunded", "net")
    return tuple(line[name] for name in names)


def test_attempts_are_summed_by_month_model_and_manifest(tmp_path, by_key):
    put(
        tmp_path / "output/icons",
        job("a"),
        job("b", "7.25", submitted_at=JUNE),
        job("c", model_id="model_y"),
        manifest="small icons",
    )
    put(tmp_path / "output/heroes", job("a", submitted_at=JUNE))

    found = by_key()

    assert {key: units_of(line) for key, line in found.items()} == {
        ("month", "2026-05"): (2, 6, 0, 6, 0, 6),
        ("month", "2026-06"): (2, 10.25, 0, 10.25, 0, 10.25),
        ("model", "model_x"): (3, 13.25, 0, 13.25, 0, 13.25),
        ("model", "model_y"): (1, 3, 0, 3, 0, 3),
        ("manifest", "small icons"): (3, 13.25, 0, 13.25, 0, 13.25),
        ("manifest", "heroes"): (1, 3, 0, 3, 0, 3),
        ("total", ""): (4, 16.25, 0, 16.25, 0, 16.25),
    }


def test_the_total_is_the_last_line_and_counts_the_ledgers(tmp_path, lines):
    put(tmp_path / "output/a", job("a"))
    put(tmp_path / "output/b", job("a"))

    last = lines()[-1]

    assert (last["event"], last["by"], last["key"]) == ("spend", "total", "")
    assert (last["ledgers"], last["unread"]) == (2, 0)


def test_a_month_is_one_of_utc_and_of_the_submit_or_else_of_the_sending(
    tmp_path, by_key
):
    put(
        tmp_path / "output/a",
        job("new-year", submitted_at=datetime(2026, 12, 31, 23, 59, tzinfo=UTC)),
        lost("lost", sent_at=JUNE),
        job("never", sent_at=None, submitted_at=None),
    )

    months = [key for by, key in by_key() if by == "month"]

    assert months == ["2026-06", "2026-12", "no date"]


def test_what_is_not_settled_is_reserved_and_not_charged(tmp_path, by_key):
    put(
        tmp_path / "output/a",
        lost("unknown"),
        lost("submitting", status=JobStatus.SUBMITTING),
        # Its job was claimed by another row, whose charge this was.
        job("robbed", status=JobStatus.UNKNOWN, remote_id=None),
        job("unsaid", status=JobStatus.SUBMITTED, charged=None),
        failed("gone", FailureClass.GIVEN_UP, remote_id=None, charged=None),
    )

    assert units_of(by_key()["total", ""]) == (5, 15, 15, 0, 0, 0)


def test_refunds_are_taken_off_the_net(tmp_path, by_key):
    put(
        tmp_path / "output/a",
        failed("a", FailureClass.MODERATED, refunded=Decimal(3)),
        # Its charge was never said, its quote was given back: nothing is left.
        failed("b", FailureClass.GENERATION, charged=None, refunded=Decimal(3)),
        failed("c", FailureClass.DUPLICATE),
    )

    assert units_of(by_key()["total", ""]) == (3, 9, 0, 6, 3, 3)


def test_what_was_refused_unpaid_or_never_sent_costs_nothing(tmp_path, by_key):
    put(
        tmp_path / "output/a",
        job("planned", status=JobStatus.PLANNED, remote_id=None, charged=None),
        failed("refused", FailureClass.REFUSED, remote_id=None, charged=None),
        job("free", "0"),
    )

    assert units_of(by_key()["total", ""]) == (1, 0, 0, 0, 0, 0)


def test_net_and_reserved_are_what_a_budget_counts(tmp_path, by_key):
    attempts = [
        job("a", "1.1"),
        lost("b", quoted=Decimal("2.2")),
        failed("c", FailureClass.GENERATION, refunded=Decimal("0.5")),
        failed("d", FailureClass.REFUSED, remote_id=None, charged=None),
        failed("e", FailureClass.GENERATION, charged=None, refunded=Decimal(1)),
        job("f", status=JobStatus.SUBMITTED, charged=None, quoted=None),
    ]
    put(tmp_path / "output/a", *attempts)

    total = by_key()["total", ""]

    committed = sum((one.committed for one in attempts), Decimal(0))
    assert Decimal(str(total["net"])) + Decimal(str(total["reserved"])) == committed


def test_sums_are_exact(tmp_path, by_key):
    put(tmp_path / "output/a", *(job(f"i{n}", "0.1") for n in range(30)))

    assert by_key()["total", ""]["net"] == 3


def test_addons_are_told_apart_by_name(tmp_path, by_key, spend):
    gate, check = {"quality-gate": Decimal("0.25")}, {"ip-detection": Decimal(1)}
    put(
        tmp_path / "output/a",
        job("a", addons=gate),
        job("b", addons=gate | check),
        job("c", addons={"unused": Decimal(0)}),
    )

    _, table, _ = spend()

    assert by_key()["total", ""]["addons"] == {
        "ip-detection": 1,
        "quality-gate": 0.5,
        "unused": 0,
    }
    total = table[table.index("\ntotal") :].splitlines()[2:]
    assert [line.split() for line in total] == [
        ["ip-detection", "1"],
        ["quality-gate", "0.5"],
    ]


# --- which folders --------------------------------------------------------------


def test_folders_below_others_are_found_and_none_counts_twice(tmp_path, by_key):
    put(tmp_path / "output/a", job("a"))
    put(tmp_path / "output/a/deeper/b", job("b"))

    assert by_key()["total", ""]["jobs"] == 2
    assert by_key("output/a", "output/a/deeper", "output")["total", ""]["jobs"] == 2
    assert by_key("output/a/deeper")["total", ""]["jobs"] == 1


def test_emulated_output_is_left_out_unless_it_is_named(tmp_path, spend):
    put(tmp_path / "output/a", job("a"))
    put(tmp_path / "output/a.emulated", job("a"), base_url=EMULATOR_NAME)

    _, below, said = spend("output")
    _, named, silence = spend("output/a.emulated")

    assert "EMULATED" not in below
    assert "1 emulated output folder" in said
    assert named.splitlines()[0] == "EMULATED: none of this was really paid"
    assert silence == ""


def test_emulated_and_real_units_are_never_added_up(tmp_path, lines):
    put(tmp_path / "output/a", job("a", "3"))
    put(tmp_path / "output/a.emulated", job("a", "5"), base_url=EMULATOR_NAME)

    totals = lines("output/a", "output/a.emulated")[3::4]

    assert [(line["emulated"], line["net"]) for line in totals] == [
        (True, 5),
        (False, 3),
    ]


def test_nothing_spent_is_no_error(tmp_path, spend, lines):
    assert spend() == (ExitCode.OK, "nothing has been spent\n", "")
    (tmp_path / "output").mkdir()

    assert spend() == (ExitCode.OK, "nothing has been spent\n", "")
    assert [line["jobs"] for line in lines()] == [0]


@pytest.mark.parametrize("name", ["empty", "missing"])
def test_a_named_folder_that_is_no_output_folder_is_a_usage_error(
    tmp_path, spend, name
):
    (tmp_path / "empty").mkdir()

    code, out, err = spend(name)

    assert (code, out) == (ExitCode.USAGE, "")
    assert name in err


def test_a_folder_is_read_while_a_run_writes_to_it(tmp_path, by_key):
    put(tmp_path / "output/a", job("a"))
    with writing(tmp_path / "output/a") as ledger:
        ledger.begin()
        ledger.record_salvaged(job("b"))

        assert by_key()["total", ""]["jobs"] == 1

        ledger.commit()
    assert by_key()["total", ""]["jobs"] == 2


def test_a_ledger_of_the_first_version_is_summed_and_left_as_it_is(tmp_path, by_key):
    folder = tmp_path / "output/a"
    folder.mkdir(parents=True)
    old = sqlite3.connect(folder / LEDGER_NAME)
    old.executescript(f"{STEPS[0]}; PRAGMA user_version = 1;")
    values = {
        "item_id": "a",
        "attempt": 1,
        "job_key": "k",
        "request_key": "k",
        "model_id": "model_x",
        "status": "saved",
        "request": "{}",
        "derived_seed": 0,
        "remote_id": "job_1",
        "base_url": SERVICE,
        "project_id": "",
        "author_id": "",
        "charged": "3",
        "remote_assets": "[]",
    }
    old.execute(
        f"INSERT INTO jobs ({', '.join(values)})"
        f" VALUES ({', '.join('?' * len(values))})",
        tuple(values.values()),
    )
    old.commit()
    old.close()
    before = (folder / LEDGER_NAME).read_bytes()

    assert units_of(by_key()["total", ""]) == (1, 0, 0, 3, 0, 3)
    assert (folder / LEDGER_NAME).read_bytes() == before


# --- ledgers that cannot be read ------------------------------------------------


def _scribble(path):
    path.write_bytes(b"no database " * 500)


def _make_newer(path):
    with Ledger(path) as ledger:
        ledger._connection.execute("PRAGMA user_version = 99")


def _spoil(column, value):
    def change(path):
        with Ledger(path) as ledger:
            ledger._connection.execute(
                f"UPDATE jobs SET {column} = ? WHERE item_id = 'last'", (value,)
            )

    return change


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        pytest.param(_scribble, "damaged", id="no database"),
        pytest.param(_make_newer, "newer", id="newer"),
        pytest.param(_spoil("charged", "NaN"), "damaged", id="NaN"),
        pytest.param(_spoil("charged", "many"), "damaged", id="words"),
        pytest.param(_spoil("addons", "[1]"), "damaged", id="a list of add-ons"),
        pytest.param(_spoil("addons", '{"a": null}'), "damaged", id="no units"),
        pytest.param(_spoil("submitted_at", "yesterday"), "damaged", id="no date"),
    ],
)
def test_a_ledger_that_cannot_be_read_is_one_line_and_the_rest_is_summed(
    tmp_path, spend, damage, word
):
    put(tmp_path / "output/bad", job("first"), job("last"))
    put(tmp_path / "output/good", job("a"))
    damage(tmp_path / "output/bad" / LEDGER_NAME)

    code, out, err = spend("--json")

    total = json.loads(out.splitlines()[-1])
    assert code == ExitCode.STORAGE
    assert (total["jobs"], total["ledgers"], total["unread"]) == (1, 1, 1)
    assert len(err.splitlines()) == 1
    assert err.startswith("not counted: ")
    assert word in err
    assert "output/bad" in err.replace("\\", "/")


# --- the table ------------------------------------------------------------------


def test_the_table_aligns_numbers_and_groups_thousands(tmp_path, spend):
    put(
        tmp_path / "output/icons",
        job("a", "1234.5"),
        failed("b", FailureClass.MODERATED, refunded=Decimal(3), submitted_at=JUNE),
    )

    _, out, _ = spend()

    assert out == (
        "month    jobs   quoted  reserved  charged  refunded      net\n"
        "2026-05     1  1,234.5         0  1,234.5         0  1,234.5\n"
        "2026-06     1        3         0        3         3        0\n"
        "\n"
        "model\n"
        "model_x     2  1,237.5         0  1,237.5         3  1,234.5\n"
        "\n"
        "manifest\n"
        "icons       2  1,237.5         0  1,237.5         3  1,234.5\n"
        "\n"
        "total       2  1,237.5         0  1,237.5         3  1,234.5\n"
    )


def test_models_and_manifests_come_largest_first(tmp_path, lines):
    put(tmp_path / "output/a", job("a", "1"), job("b", "9", model_id="model_z"))
    put(tmp_path / "output/b", job("c", "20"))

    keys = [line["key"] for line in lines() if line["by"] in {"model", "manifest"}]

    assert keys == ["model_x", "model_z", "b", "a"]


def test_reserved_units_are_explained(tmp_path, spend):
    put(tmp_path / "output/a", lost("a"))

    _, out, _ = spend()

    assert out.endswith(
        "\nreserved: may have been charged; the cost is not known yet\n"
    )


@pytest.mark.parametrize(
    "units", ["3", "1234567.1234", "123456789.123456789", "9" * 18, "0.00000001"]
)
@pytest.mark.parametrize("price", [None, "0.012EUR", "99999.5 $"])
def test_no_line_of_the_table_is_wider_than_a_terminal(tmp_path, spend, units, price):
    put(
        tmp_path / ("output/" + "long-name-of-a-manifest-" * 3),
        job("a", units, model_id="model_of-quite-a-name-v2-5-pro-ultra-" + "x" * 30),
        lost("b", quoted=Decimal(units)),
        failed("c", FailureClass.MODERATED, refunded=Decimal(units)),
        job("d", units, addons={"quality-gate": Decimal(units)}),
    )

    code, out, _ = spend(*([] if price is None else ["--cu-price", price]))

    assert code == ExitCode.OK
    assert max(map(len, out.splitlines())) <= 80
    assert "quality-gate" in out


def test_foreign_text_cannot_steer_the_terminal(tmp_path, spend):
    put(
        tmp_path / "output/a",
        job("a", model_id="model\x1b[2J", addons={"gate\x1b[1m": Decimal(1)}),
        manifest="icons\x07\nfaked  999",
    )

    _, out, _ = spend()

    assert "\x1b" not in out
    assert "\x07" not in out
    assert "\nfaked" not in out


# --- money ----------------------------------------------------------------------


def test_a_price_shows_money_beside_the_net(tmp_path, spend, by_key):
    put(tmp_path / "output/a", *(job(f"i{n}") for n in range(33)))

    _, out, _ = spend("--cu-price", "0.012EUR")
    total = by_key("--cu-price", "$0.012")["total", ""]

    assert out.splitlines()[0].endswith("  EUR")
    assert out.splitlines()[-1].split() == [
        *("total", "33", "99", "0", "99", "0", "99", "1.19")
    ]
    assert (total["money"], total["currency"]) == (1.188, "$")


def test_the_price_may_stand_in_the_environment(tmp_path, spend, lines, monkeypatch):
    put(tmp_path / "output/a", job("a"))
    monkeypatch.setenv(CU_PRICE_VARIABLE, "2 USD")

    from_environment = lines()[-1]
    from_option = lines("--cu-price", "1")[-1]

    assert (from_environment["money"], from_environment["currency"]) == (6, "USD")
    assert (from_option["money"], from_option["currency"]) == (3, "")


def test_a_price_that_is_none_is_a_usage_error(spend, monkeypatch):
    code, out, err = spend("--cu-price", "free")
    monkeypatch.setenv(CU_PRICE_VARIABLE, "-1")

    assert (code, out) == (ExitCode.USAGE, "")
    assert "'free' is not a price" in err
    assert spend()[0] == ExitCode.USAGE


def test_without_a_price_there_is_no_money(tmp_path, lines):
    put(tmp_path / "output/a", job("a"))

    assert "money" not in lines()[-1]


# --- of a manifest --------------------------------------------------------------------

MANIFEST = "version: 1\nname: icons\nmodel: model_wan-2-7-image\nitems:\n"
MANIFEST += "  - {id: oak, prompt: an oak}\n"


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "icons.yaml"
    path.write_text(MANIFEST, encoding="utf-8")
    return path


def test_a_manifest_stands_for_its_output_folder(manifest, lines, tmp_path):
    put(tmp_path / "output" / "icons", job("oak"))
    put(tmp_path / "output" / "other", job("elm", "100"))
    put(tmp_path / "elsewhere", job("fir", "7"))

    own = lines(manifest)
    named = lines(manifest, "--output", tmp_path / "elsewhere")
    both = lines(manifest, tmp_path / "elsewhere")

    assert [one[-1]["net"] for one in (own, named, both)] == [3, 7, 10]
    assert [one[-1]["ledgers"] for one in (own, named, both)] == [1, 1, 2]


def test_a_manifest_and_its_folder_count_once(manifest, lines, tmp_path):
    put(tmp_path / "output" / "icons", job("oak"))

    assert lines(manifest, tmp_path / "output", manifest)[-1]["net"] == 3


def test_a_manifest_without_output_has_cost_what_its_lock_file_says(
    manifest, lines, tmp_path
):
    assert lines(manifest)[-1]["net"] == 0

    locked = [job("oak", remote_assets=(AssetId("asset_1"),))]
    write_lock(lock_path(manifest), locked, base_url=SERVICE, project_id="")

    told = {(line["by"], line["key"]): line["net"] for line in lines(manifest)}
    assert told["total", ""] == told["manifest", "icons"] == 3
    assert told["month", "no date"] == 3
    assert not (tmp_path / "output").exists()


def test_an_emulated_manifest_is_told_apart(manifest, lines, spend, tmp_path):
    put(tmp_path / "output" / "icons.emulated", job("oak"), base_url=EMULATOR_NAME)

    assert lines(manifest, "--emulate")[-1]["emulated"] is True
    assert "EMULATED" in spend(manifest, "--emulate")[1]


@pytest.mark.parametrize(
    "options", [["--emulate"], ["--output", "x"], ["--allow-outside"]], ids=str
)
def test_the_options_of_a_manifest_need_one(spend, options):
    code, _, err = spend(*options)

    assert code == ExitCode.USAGE
    assert "belong to a manifest" in err


def test_one_output_folder_is_not_for_two_manifests(spend, manifest, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text(MANIFEST, encoding="utf-8")

    code, _, err = spend(manifest, other, "--output", "x")

    assert (code, "for one manifest" in err) == (ExitCode.USAGE, True)
