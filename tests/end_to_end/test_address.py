"""An address that is not the API's: it is named, and no folder is bound to it."""

import pytest
from aiohttp import web
from doubles.shell import KEY, SECRET, TREES

from pipeline.settings import BASE_URL_VARIABLE, KEY_VARIABLE, SECRET_VARIABLE


@pytest.fixture
async def web_site():
    """A server that answers everything with a page."""
    sent: list[str] = []

    async def answer(request):
        sent.append(request.method)
        return web.Response(text="<html>Welcome</html>", content_type="text/html")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}", sent
    await runner.cleanup()


@pytest.fixture
def beside(real, emulator):
    """A shell whose address lacks the last part."""
    real.environment[BASE_URL_VARIABLE] = emulator.base_url.removesuffix("/v1") + "/"
    return real


async def test_doctor_says_what_is_wrong_and_what_is_right(beside, emulator):
    done = await beside.run("doctor")

    assert done.code == 2
    assert "is not the address of the Scenario API" in done.out
    assert f"next: set {BASE_URL_VARIABLE} to {emulator.base_url}\n" in done.out


@pytest.mark.parametrize(
    "command", [("run", "--yes"), ("fetch",), ("rerun", "--yes"), ("plan",)]
)
async def test_nothing_is_bound_to_it(beside, emulator, command):
    done = await beside.run(command[0], "trees.yaml", *command[1:])
    there = beside.output.exists()
    right = await beside.run(
        "run", "trees.yaml", "--yes", **{BASE_URL_VARIABLE: emulator.base_url}
    )

    assert done.code == 2
    assert f"next: set {BASE_URL_VARIABLE} to {emulator.base_url}\n" in done.err
    assert not there
    assert right.code == 0
    assert emulator.counters()["jobs_made"] == 4


@pytest.mark.parametrize("command", [("run", "--yes"), ("plan",), ("doctor",)])
async def test_a_web_site_is_no_service(shell, web_site, command):
    address, sent = web_site
    shell.write(TREES)
    shell.environment |= {
        KEY_VARIABLE: KEY,
        SECRET_VARIABLE: SECRET,
        BASE_URL_VARIABLE: address,
    }

    done = await shell.run(command[0], "trees.yaml", *command[1:])

    assert done.code == 2
    assert f"next: set {BASE_URL_VARIABLE} to {address}/v1" in done.out + done.err
    assert set(sent) == {"GET"}
    assert not shell.output.exists()
