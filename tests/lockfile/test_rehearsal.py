"""A rehearsal's lock file beside a real service on this machine."""

import shutil

import pytest
from doubles.other_service import OtherService
from doubles.place import items

from pipeline.emulator import Emulator


@pytest.fixture
async def rehearsed(place):
    """A place whose lock file is from an emulator that a user has started."""
    (place.folder / "knobs.yaml").write_text(items("an oak"), encoding="utf-8")
    done = await place.type("run", "--yes")
    assert done.code == 0, done.err
    shutil.rmtree(place.output)
    return place


async def test_a_real_service_behind_a_local_address_is_paid_nothing(rehearsed, use):
    lock = rehearsed.folder / "knobs.yaml.lock"
    before = lock.read_bytes()
    service = OtherService(models={})
    async with service.serving():
        use(service.base_url)

        refused = await rehearsed.type("run", "--yes", "--unchecked")

    assert refused.code == 2
    assert "is from a rehearsal at http://127.0.0.1" in refused.err
    assert "delete it, run again" in refused.err
    assert service.submits == []
    assert lock.read_bytes() == before


async def test_another_rehearsal_goes_on(rehearsed, use):
    async with Emulator() as emulator:
        use(emulator.base_url)

        again = await rehearsed.type("run", "--yes")

        assert again.code == 0, again.err
        assert emulator.counters()["jobs_made"] == 1
