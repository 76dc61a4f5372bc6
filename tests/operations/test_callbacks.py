"""Callbacks of ``run``: plain or async, in order, and what their exceptions do."""

import anyio
import pytest

from pipeline.errors import UsageError
from pipeline.operations.callbacks import call, in_thread, relaying


async def test_what_an_async_callback_does_is_done_in_order_before_the_block_ends():
    seen = []

    async def note(value):
        await anyio.lowlevel.checkpoint()
        seen.append(value)

    async with relaying(note) as tell:
        for value in range(5):
            tell(value)
        assert seen == []

    assert seen == [0, 1, 2, 3, 4]


async def test_a_plain_callback_is_called_at_once():
    seen = []

    async with relaying(seen.append) as tell:
        tell(1)
        assert seen == [1]


async def test_an_exception_of_an_async_callback_ends_the_block():
    async def refuse(_value):
        raise UsageError("enough")

    async def use():
        async with relaying(refuse) as tell:
            tell(1)
            tell(2)  # is never awaited, and Python does not complain
            await anyio.sleep_forever()

    with pytest.raises(UsageError, match="enough"):
        await use()


async def test_an_error_of_the_block_keeps_its_cause():
    cause = KeyError("first")

    async def use():
        async with relaying(print):
            raise UsageError("second") from cause

    with pytest.raises(UsageError) as caught:
        await use()

    assert caught.value.__cause__ is cause


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_callback_in_a_thread_has_ended_when_the_call_returns(is_async):
    seen = []

    async def note(value):
        await anyio.lowlevel.checkpoint()
        seen.append(value)

    def call_twice():
        tell = in_thread(note if is_async else seen.append)
        tell(1)
        tell(2)
        return list(seen)

    assert await anyio.to_thread.run_sync(call_twice) == [1, 2]


async def test_call_waits_for_an_async_callback():
    seen = []

    async def note(value):
        seen.append(value)

    await call(note, 1)
    await call(seen.append, 2)

    assert seen == [1, 2]
