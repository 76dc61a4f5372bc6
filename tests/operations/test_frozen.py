"""``--frozen`` on a fresh checkout: what it can do without credentials."""

import shutil

import pytest
from doubles.place import items

from pipeline import ExitCode
from pipeline.ledger.ledger import LEDGER_NAME
from pipeline.models.catalog import CACHE_VARIABLE
from pipeline.settings import BASE_URL_VARIABLE, KEY_VARIABLE, SECRET_VARIABLE

TREES = items("an oak", "an elm")
UNSHIPPED = """\
version: 1
name: knobs
model: model_bfl-flux-2-klein-9b
items:
  - {id: a, prompt: an oak}
  - {id: b, prompt: an elm, params: {seed: 7}}
"""


@pytest.fixture
def check_out(place, monkeypatch):
    """Makes a manifest, and leaves what git holds: no ledger, no cache, no key."""

    async def check_out(text, *, with_files=True):
        monkeypatch.setenv(CACHE_VARIABLE, str(place.folder / "cache"))
        (place.folder / "knobs.yaml").write_text(text, encoding="utf-8")
        made = await place.type("run", "--yes")
        assert made.code == ExitCode.OK, made.err
        shutil.rmtree(place.folder / "cache")
        for path in place.output.glob(f"{LEDGER_NAME}*"):
            path.unlink()
        if not with_files:
            shutil.rmtree(place.output)
        for name in (KEY_VARIABLE, SECRET_VARIABLE, BASE_URL_VARIABLE):
            monkeypatch.delenv(name)
        return place

    return check_out


@pytest.mark.parametrize("text", [TREES, UNSHIPPED], ids=["shipped", "unshipped"])
async def test_with_lock_and_files_it_needs_no_credentials(check_out, text):
    place = await check_out(text)
    before = dict(place.counters["requests"])

    frozen = await place.type("run", "--frozen")

    assert (frozen.code, frozen.err.count("error")) == (ExitCode.OK, 0)
    assert "2 done" in frozen.err
    assert dict(place.counters["requests"]) == before


async def test_with_the_lock_alone_it_needs_them_and_says_when_not(check_out):
    place = await check_out(TREES, with_files=False)

    frozen = await place.type("run", "--frozen")

    assert frozen.code == ExitCode.ACCESS
    assert "no credentials" in frozen.err
    assert "--frozen needs none if every file is in place" in frozen.err
