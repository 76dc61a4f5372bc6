"""HttpApi and HttpTransfer: what they ask for, and whether it is answered, is told."""

import asyncio

import pytest
from doubles.clock import FakeClock

from pipeline.activity import Activity
from pipeline.api.cdn import HttpTransfer
from pipeline.api.client import HttpApi
from pipeline.api.interface import JobFilter
from pipeline.errors import Unavailable
from pipeline.settings import Credentials, Settings


@pytest.fixture
async def told():
    """Told of each request to a service that answers as the list says, in turn."""
    answers = []
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await may_answer.wait()
        body = b'{"jobs": []}'
        status = answers.pop(0)
        if status:
            writer.write(
                b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\nConnection: close\r\n\r\n%b"
                % (status, len(body), body)
            )
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        activity = Activity(FakeClock())
        credentials = Credentials(
            key="k", secret="s", base_url=f"http://127.0.0.1:{port}/v1"
        )
        async with HttpApi(
            credentials, Settings(), FakeClock(), activity=activity
        ) as api:
            yield activity, api, answers, asked, may_answer


async def test_a_request_is_told_while_it_waits_and_its_answer_ends_it(told):
    activity, api, answers, asked, may_answer = told
    answers.append(200)
    request = asyncio.create_task(api.list_jobs(JobFilter()))
    await asked.wait()
    during = activity.request_in_flight
    may_answer.set()
    await request

    assert (during, activity.request_in_flight) == ("listing jobs", "")
    assert activity.trouble == ""


@pytest.mark.parametrize(("status", "has_answered"), [(0, False), (503, True)])
async def test_a_failure_is_told_until_the_next_answer(told, status, has_answered):
    activity, api, answers, _asked, may_answer = told
    may_answer.set()
    # aiohttp sends a GET once more on a connection that breaks.
    answers += [status] * (1 if status else 2) + [200]
    with pytest.raises(Unavailable):
        await api.list_jobs(JobFilter())
    trouble = activity.trouble
    answers[:] = [200]
    await api.list_jobs(JobFilter())

    assert trouble.startswith("listing jobs: ")
    assert activity.has_answered is has_answered
    assert activity.trouble == ""


async def test_a_part_of_an_upload_is_told_too(told):
    activity, _api, _answers, _asked, _may_answer = told
    async with HttpTransfer(Settings(), loopback=True, activity=activity) as transfer:
        with pytest.raises(Unavailable):
            await transfer.write("http://127.0.0.1:1/", b"part", "image/png")

    assert activity.trouble.startswith("sending a part: ")
