"""``run``: its options as they are typed, and what they do."""

import pytest
from doubles.place import items

from pipeline.cli.run_settings import parse_duration, parse_threshold
from pipeline.emulator import Emulator, EmulatorProfile
from pipeline.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("90", 90),
        ("90s", 90),
        ("45m", 2700),
        ("2h", 7200),
        ("1.5h", 5400),
        ("0.5 s", 0.5),
        (" 45m ", 2700),
    ],
)
def test_a_duration_is_a_number_with_a_unit(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "0", "0s", "-5", "m", "5d", "5 minutes", "1h30m", "nan", "inf", "1e3"]
)
def test_anything_else_is_no_duration(text):
    with pytest.raises(UsageError, match="--deadline"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "count", "share"),
    [
        (None, None, None),
        ("5", 5, None),
        ("1", 1, None),
        ("3%", None, 0.03),
        ("2.5%", None, 0.025),
        ("0%", None, 0.0),
        ("100%", None, 1.0),
    ],
)
def test_a_threshold_is_a_count_or_a_percentage(text, count, share):
    assert parse_threshold(text) == (count, pytest.approx(share))  # type: ignore[comparison-overlap]


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "%", "5 %", "five", "5%%"])
def test_anything_else_is_no_threshold(text):
    with pytest.raises(UsageError, match="--fail-threshold"):
        parse_threshold(text)


@pytest.mark.parametrize(
    "option", [("--deadline", "soon"), ("--fail-threshold", "few")], ids=" ".join
)
async def test_an_option_that_cannot_be_read_sends_nothing(option, place):
    (place.folder / "knobs.yaml").write_text(items("an oak"))

    said = await place.type("run", *option)

    assert said.code == 2
    assert place.counters["requests"] == {}


async def test_the_deadline_of_the_command_line_ends_a_real_run(place, use):
    profile = EmulatorProfile.of(
        seed=7, fixed_size_px=16, ceiling=1, job_seconds=(0.6, 0.6)
    )
    (place.folder / "knobs.yaml").write_text(items("an oak", "an elm", "an ash"))
    async with Emulator(profile=profile) as emulator:
        use(emulator.base_url)
        said = await place.type("run", "--yes", "--json", "--deadline", "0.3s")

        assert said.code == said.events[-1]["exit_code"] == 130
        assert said.events[-1]["counts"] == {"saved": 1, "not_submitted": 2}
        assert emulator.counters()["jobs_made"] == 1
        assert "deadline" in said.err


async def test_fail_fast_of_the_command_line_stops_after_the_first(place_of):
    async with place_of({"ceiling": 1}) as place:
        text = items("an oak", "an elm [fail]", "an ash", "a yew")
        (place.folder / "knobs.yaml").write_text(text)

        said = await place.type("run", "--yes", "--json", "--fail-fast")

        counts = said.events[-1]["counts"]
        assert said.code == said.events[-1]["exit_code"] == 3
        assert counts == {"saved": 1, "failed": 1, "not_submitted": 2}
        assert place.submits == 2
        assert [e["event"] for e in said.events].count("halt") == 1


async def test_a_percentage_of_the_command_line_is_of_all_items(place_of):
    async with place_of({"ceiling": 1, "failure_rate": 1.0}) as place:
        text = items("an oak", "an elm", "an ash", "a yew")
        (place.folder / "knobs.yaml").write_text(text)

        said = await place.type("run", "--yes", "--json", "--fail-threshold", "25%")

        assert said.code == 3
        assert said.events[-1]["counts"] == {"failed": 2, "not_submitted": 2}


@pytest.mark.parametrize("option", ["--rpm", "--settle", "--job-timeout"])
@pytest.mark.parametrize("value", ["nan", "inf"])
async def test_what_is_no_number_is_refused(place, option, value):
    place.folder.joinpath("icons.yaml").write_text(items("an oak"), encoding="utf-8")

    said = await place.command("run", "icons.yaml", "--emulate", option, value)

    assert said.code == 2
    assert place.submits == 0


# --- nothing is submitted blindly


UNKNOWN = "version: 1\nname: knobs\nmodel: model_nobody_knows\nitems:\n"


async def test_nothing_is_submitted_for_a_model_whose_inputs_are_unknown(place):
    (place.folder / "knobs.yaml").write_text(
        f"{UNKNOWN}  - {{id: a, prompt: an oak}}\n"
    )

    refused = await place.type("run", "--yes")
    priced = await place.type("run", "--yes", "--allow-unpriced")
    asked_for = await place.type("run", "--yes", "--unchecked")

    assert refused.code == priced.code == 2
    assert "inputs of model_nobody_knows are unknown: nothing" in refused.err
    assert "--unchecked" in refused.err
    assert asked_for.code == 3  # the service does not know the model either
    assert place.submits == 0


async def test_nothing_is_submitted_for_a_price_of_nothing(place_of):
    async with place_of({"unit_prices_cu": {"model_wan-2-7-image": 0}}) as place:
        (place.folder / "knobs.yaml").write_text(items("an oak"))

        refused = await place.type("run", "--yes")
        unchecked = await place.type("run", "--yes", "--unchecked")
        before = place.submits
        said = await place.type("run", "--yes", "--allow-unpriced")

        assert refused.code == unchecked.code == 2
        assert "knobs.yaml:" in refused.err
        assert "quotes 0 units for 'a'" in refused.err
        assert (before, place.submits) == (0, 1)
        assert said.code == 0
