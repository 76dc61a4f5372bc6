"""``check``: looks at the files again, records what it finds, and pays for nothing."""

import json

import pytest
from doubles.place import items
from PIL import Image

from pipeline import ExitCode
from pipeline.ledger.ledger import LEDGER_NAME, Ledger

TREES = ("an oak", "an elm")
CHECKS = "checks: {alpha: true, min_px: 1}\n"


@pytest.fixture
async def made(place):
    played = await place.play(items(*TREES).replace("items:", f"{CHECKS}items:"))
    assert played.code is ExitCode.OK
    return place


def rewrite(place, checks):
    text = items(*TREES).replace("items:", f"{checks}items:")
    (place.folder / "knobs.yaml").write_text(text)


def sidecar(place, name):
    return json.loads((place.output / f"{name}.json").read_text())


def paint(path, image):
    image.save(path, "PNG")


async def test_what_needs_review_is_listed_and_is_exit_code_3(made):
    said = await made.type("check")

    assert said.code == 3
    assert "? a: a.png: alpha: it has no transparency" in said.out
    assert said.out.endswith("2 pictures checked, 0 passed, 2 need review\n")
    assert made.paid == 2


async def test_an_edit_that_mends_it_passes_and_is_recorded(made):
    picture = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    picture.paste((200, 0, 0, 255), (10, 10, 40, 40))
    paint(made.output / "a.png", picture)

    said = await made.type("check", "--json")

    assert said.code == 3
    assert {one["path"]: one["needs_review"] for one in said.of("check")} == {
        "a.png": "",
        "b.png": "alpha: it has no transparency",
    }
    assert said.of("done")[0]["counts"] == {"passed": 1, "needs_review": 1}
    assert sidecar(made, "a.png")["checks"]["alpha"] == {"passed": True, "why": ""}
    assert made.job("a").review == ""
    assert made.job("b").review != ""


async def test_other_checks_are_made_at_once_and_generate_nothing(made):
    submits = made.submits
    rewrite(made, "checks: {min_px: 2}\n")

    said = await made.type("check")

    assert said.code == 0
    assert "2 passed" in said.out
    assert set(sidecar(made, "a.png")["checks"]) == {"min_px"}
    assert made.submits == submits


async def test_the_results_are_in_the_sidecars_for_whoever_has_no_ledger(made):
    rewrite(made, "checks: {min_px: 5000}\n")
    await made.type("check")
    made.lose_ledger()

    said = await made.type("status", "--json")

    assert said.of("status")[0]["needs_review"] == 2


async def test_pictures_of_two_items_that_are_equal_are_both_found(made):
    rewrite(made, "checks: {similar_to_another: 0.98}\n")
    picture = Image.radial_gradient("L")
    paint(made.output / "a.png", picture)
    paint(made.output / "b.png", Image.linear_gradient("L"))
    assert (await made.type("check")).code == 0
    paint(made.output / "b.png", picture.resize((99, 99)))

    said = await made.type("check")

    assert said.code == 3
    assert "? a: a.png: similar_to_another: it is like b (1.00)" in said.out
    assert "? b: b.png: similar_to_another: it is like a (1.00)" in said.out


async def test_a_broken_picture_needs_review_and_a_missing_one_is_left_out(made):
    (made.output / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (made.output / "b.png").unlink()

    said = await made.type("check")

    assert said.code == 3
    assert "? a: a.png: file: cannot be decoded" in said.out
    assert "1 picture checked" in said.out


async def test_without_checks_or_before_the_first_run_there_is_nothing_to_look_at(
    place,
):
    (place.folder / "knobs.yaml").write_text(items(*TREES))

    said = await place.type("check")

    assert said.code == 0
    assert "0 pictures checked" in said.out
    assert "note: no saved picture has `checks:` in the manifest" in said.err


async def test_while_a_run_holds_the_folder_it_waits_for_nobody(made):
    from pipeline.output.folder import holding_ledger

    with holding_ledger(made.output):
        said = await made.type("check")

    assert said.code == 7


async def test_a_check_that_changes_nothing_writes_nothing(made):
    await made.type("check")
    before = (made.output / "a.png.json").stat().st_mtime_ns

    await made.type("check")

    assert (made.output / "a.png.json").stat().st_mtime_ns == before
    with Ledger(made.output / LEDGER_NAME, read_only=True) as ledger:
        assert [item_id for item_id, _ in ledger.find_checked()] == ["a", "b"]


async def test_status_and_why_say_what_needs_review(made):
    status = await made.type("status")
    why = await made.type("why", "a")

    assert "2  files need review" in status.out
    assert "? b: b.png: alpha: it has no transparency" in status.out
    assert "alpha: it has no transparency" in why.out
    assert "min_px: passed" in why.out


async def test_the_end_of_a_run_says_how_to_see_the_reasons(made):
    said = await made.type("run", "--yes")

    assert "checks: 2 items to review; the reasons: pipeline status " in said.err
    assert "MANIFEST" not in said.err


async def test_the_result_of_a_run_counts_them(made):
    said = await made.type("run", "--yes", "--json")

    assert said.code == 0
    assert said.of("done")[0]["needs_review"] == 2
