"""A run with nothing to do: no request, and no credentials."""

import shutil

import pytest
from doubles.place import items

from pipeline import ExitCode
from pipeline.ledger.ledger import LEDGER_NAME
from pipeline.models.catalog import CACHE_VARIABLE
from pipeline.settings import BASE_URL_VARIABLE, KEY_VARIABLE, SECRET_VARIABLE

TREES = items("an oak", "an elm")


@pytest.fixture
async def done(place, monkeypatch):
    """A place where everything is made, by a command."""
    monkeypatch.setenv(CACHE_VARIABLE, str(place.folder / "cache"))
    (place.folder / "knobs.yaml").write_text(TREES, encoding="utf-8")
    made = await place.type("run", "--yes")
    assert made.code == ExitCode.OK, made.err
    return place


def forget_models(place):
    shutil.rmtree(place.folder / "cache")


def requests(place):
    return dict(place.counters["requests"])


@pytest.mark.parametrize("option", [(), ("--frozen",)], ids=["run", "frozen"])
async def test_a_run_with_nothing_to_do_reads_no_models(done, option):
    forget_models(done)
    before = requests(done)

    again = await done.type("run", *option)

    assert again.code == ExitCode.OK
    assert "2 done" in again.err + again.out
    assert requests(done) == before


@pytest.mark.parametrize("option", [(), ("--frozen",)], ids=["run", "frozen"])
async def test_a_run_with_nothing_to_do_needs_no_credentials(done, option, monkeypatch):
    for name in (KEY_VARIABLE, SECRET_VARIABLE, BASE_URL_VARIABLE):
        monkeypatch.delenv(name)
    before = requests(done)

    again = await done.type("run", *option)

    assert (again.code, again.err.count("error")) == (ExitCode.OK, 0)
    assert requests(done) == before


async def test_nor_does_a_fresh_checkout_of_the_files_without_a_ledger(
    done, monkeypatch
):
    for name in (KEY_VARIABLE, SECRET_VARIABLE, BASE_URL_VARIABLE):
        monkeypatch.delenv(name)
    for path in done.output.glob(f"{LEDGER_NAME}*"):
        path.unlink()

    assert (await done.type("run")).code == ExitCode.OK


@pytest.mark.parametrize("missing", ["file", "item"])
async def test_with_something_to_do_credentials_are_asked_for(
    done, missing, monkeypatch
):
    for name in (KEY_VARIABLE, SECRET_VARIABLE, BASE_URL_VARIABLE):
        monkeypatch.delenv(name)
    if missing == "file":
        (done.output / "a.png").unlink()
    else:
        (done.folder / "knobs.yaml").write_text(items("an oak", "a fir"))

    again = await done.type("run", "--yes")

    assert again.code == ExitCode.ACCESS
    assert "no credentials" in again.err


async def test_with_something_to_do_the_models_are_read_before_it_is_paid_for(done):
    forget_models(done)
    before = requests(done)
    (done.folder / "knobs.yaml").write_text(items("an oak", "an elm", "a fir"))

    again = await done.type("run", "--yes")

    assert again.code == ExitCode.OK
    assert requests(done)["model"] == before["model"] + 1
    assert done.paid == 3
