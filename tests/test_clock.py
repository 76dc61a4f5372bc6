"""Clock: times as the service writes them, and a clock that goes."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.clock import SystemClock, format_utc, parse_utc

# Without a zone, as hypothesis wants them.
YEARS = (datetime(1900, 1, 1), datetime(2200, 1, 1))  # noqa: DTZ001


@given(st.datetimes(*YEARS, timezones=st.timezones()))
def test_a_time_comes_back_to_the_millisecond(moment):
    back = parse_utc(format_utc(moment))

    assert timedelta() <= moment - back < timedelta(milliseconds=1)
    assert back.utcoffset() == timedelta()


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 10, 2, 21, 20, 16, 925_000, UTC), "2026-10-02T21:20:16.925Z"),
        (datetime(2026, 10, 2, 21, 20, 16, 925_999, UTC), "2026-10-02T21:20:16.925Z"),
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00.000Z"),
        (
            datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2))),
            "2025-12-31T23:00:00.000Z",
        ),
    ],
)
def test_a_time_is_written_as_the_service_writes(moment, text):
    assert format_utc(moment) == text


@pytest.mark.parametrize(
    "text",
    [
        "2026-10-02T21:20:16.925Z",
        "2026-10-02T21:20:16.925",
        "2026-10-02T21:20:16.925+00:00",
        "2026-10-02T23:20:16.925+02:00",
    ],
)
def test_a_time_without_a_zone_is_utc(text):
    assert parse_utc(text) == datetime(2026, 10, 2, 21, 20, 16, 925_000, UTC)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "1790000000.5"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        parse_utc(text)


async def test_the_system_s_clock_goes_forward_in_utc():
    clock = SystemClock()
    before_s = clock.monotonic_s()

    await clock.sleep(0)

    assert clock.monotonic_s() >= before_s
    assert clock.utc_now().tzinfo is UTC
