"""Ids that are swapped or shifted: attempts go to whom asks for them, never paid again."""

import pytest
from doubles.kills import run_killed_at
from doubles.trees import paid, sidecar, with_sidecars, write

from pipeline.errors import ExitCode
from pipeline.output.rebuild import open_for_writing


def contents(workshop, *names):
    return [(workshop.output / f"{name}.png").read_bytes() for name in names]


async def test_two_items_that_swap_their_ids_swap_their_files(made):
    oak, elm = contents(made, "oak", "elm")
    write(made, ("oak", "an elm"), ("elm", "an oak"))

    result = await made.run()

    assert result.exit_code is ExitCode.OK
    assert result.counts == {"renamed": 2}
    assert contents(made, "oak", "elm") == [elm, oak]
    assert sidecar(made, "oak.png")["item_id"] == "oak"
    assert sidecar(made, "oak.png")["request"]["prompt"] == "an elm"
    assert made.files() == with_sidecars("oak.png", "elm.png")
    assert paid(made) == 2
    assert (await made.run()).counts == {"done": 2}


async def test_a_swap_that_is_cut_short_anywhere_is_finished_by_the_next_run(made):
    oak, elm = contents(made, "oak", "elm")
    kill_at, passed = 1, 1
    while passed >= kill_at - 1:
        is_swapped = kill_at % 2 == 1
        prompts = ("an elm", "an oak") if is_swapped else ("an oak", "an elm")
        write(made, ("oak", prompts[0]), ("elm", prompts[1]))

        passed = await run_killed_at(made, kill_at)
        open_for_writing(made.output).close()
        await made.run()

        expected = [elm, oak] if is_swapped else [oak, elm]
        assert contents(made, "oak", "elm") == expected, kill_at
        assert made.files() == with_sidecars("oak.png", "elm.png"), kill_at
        assert paid(made) == 2
        kill_at += 1
    assert kill_at > 8


async def test_ids_that_are_shifted_move_along_and_the_new_one_is_paid(made):
    oak, elm = contents(made, "oak", "elm")
    write(made, ("oak", "a yew"), ("elm", "an oak"), ("fir", "an elm"))

    result = await made.run()

    assert result.counts == {"renamed": 2, "saved": 1}
    assert contents(made, "elm", "fir") == [oak, elm]
    assert made.files() == with_sidecars("oak.png", "elm.png", "fir.png")
    assert paid(made) == 3


async def test_a_file_of_an_older_request_is_kept_when_another_takes_its_place(made):
    oak, elm = contents(made, "oak", "elm")
    write(made, ("elm", "an oak"))

    await made.run()

    assert contents(made, "elm", "elm.old-1") == [oak, elm]
    assert paid(made) == 2


async def test_a_swap_is_known_from_the_sidecars_alone(made):
    oak, elm = contents(made, "oak", "elm")
    write(made, ("oak", "an elm"), ("elm", "an oak"))
    await made.run()
    for path in made.output.glob("ledger.*"):
        path.unlink()
    open_for_writing(made.output).close()

    assert (await made.run()).counts == {"done": 2}
    assert contents(made, "oak", "elm") == [elm, oak]


async def test_a_file_of_somebody_else_is_not_overwritten_and_nothing_is_paid(made):
    write(made, ("elm", "an oak"), ("fir", "an elm"))
    (made.output / "fir.png").write_bytes(b"an artist's work")

    result = await made.run()

    assert result.exit_code is ExitCode.ITEMS_FAILED
    assert (made.output / "fir.png").read_bytes() == b"an artist's work"
    assert paid(made) == 2
    (made.output / "fir.png").unlink()
    assert (await made.run()).exit_code is ExitCode.OK
    assert paid(made) == 2


@pytest.mark.parametrize("as_new", [True, False])
async def test_a_run_does_not_guess(made, as_new):
    write(made, ("a-1", "an ash"), ("a-2", "an ash"))
    await made.run()
    write(made, ("ash", "an ash"))

    result = await made.run(as_new=as_new)

    assert paid(made) == (5 if as_new else 4)
    assert result.counts == ({"saved": 1} if as_new else {"not_submitted": 1})
