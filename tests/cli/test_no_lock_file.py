"""The lock file can be switched off."""

from doubles.place import items


async def test_the_lock_file_can_be_switched_off(place):
    (place.folder / "knobs.yaml").write_text(items("an oak"), encoding="utf-8")
    await place.type("run", "--yes", "--no-lock-file")

    assert list(place.output.glob("*.png"))
    assert not (place.folder / "knobs.yaml.lock").exists()
