"""``pipeline view``: what it says, and when it does not start."""

import signal
import socket
import sys

import pytest
from aiohttp import ClientSession
from doubles.place_fixtures import command  # noqa: F401 - fixture
from doubles.shell import TREES
from doubles.shell_fixtures import shell  # noqa: F401 - fixture

from pipeline.errors import ExitCode

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")


@pytest.fixture
def view(command, tmp_path):  # noqa: F811
    """Types the command; it cannot be stopped here, so it must not start."""
    (tmp_path / "trees.yaml").write_text(TREES, encoding="utf-8")

    async def type_it(*arguments):
        return await command("view", *arguments, "--emulate")

    return type_it


async def test_several_manifests_have_no_output_folder_together(view):
    done = await view("trees.yaml", "trees.yaml", "--output", "out")

    assert done.code == ExitCode.USAGE
    assert "the folder of one manifest" in done.err


async def test_an_amount_that_is_none_is_refused(view):
    done = await view("trees.yaml", "--spend", "lots")

    assert done.code == ExitCode.USAGE
    assert "--spend 'lots' is not an amount of compute units" in done.err


async def test_a_manifest_with_faults_is_not_served(view, tmp_path):
    (tmp_path / "trees.yaml").write_text("items: [", encoding="utf-8")

    done = await view("trees.yaml")

    assert done.code == ExitCode.USAGE
    assert "trees.yaml:1:" in done.err


async def test_a_port_in_use_is_refused_with_the_next_step(view):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = await view("trees.yaml", "--port", port)

    assert done.code == ExitCode.USAGE
    assert f"cannot listen on 127.0.0.1, port {port}" in done.err
    assert "--port 0" in done.err


async def test_an_address_that_others_reach_is_said(view):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = await view("trees.yaml", "--host", "0.0.0.0", "--port", port, "--edit")

    assert done.code == ExitCode.USAGE
    assert "may read and decide; nothing is encrypted" in " ".join(done.err.split())


@POSIX
async def test_it_opens_its_address_and_serves_until_it_is_stopped(shell):  # noqa: F811
    shell.write(TREES)
    async with shell.start(
        "view",
        "trees.yaml",
        "--emulate",
        "--port",
        "0",
        "--open",
        BROWSER="echo opens %s",
    ) as running:
        url = (await running.until("http://")).strip()
        opened = await running.until("opens http://")
        async with ClientSession() as session, session.get(url) as answer:
            page = await answer.text()
        running.signal(signal.SIGINT)
        done = await running.end()

    assert answer.status == 200
    assert "<title>trees" in page
    assert opened.strip() == f"opens {url}"
    assert done.code == 0, done
    assert "take no decisions" in done.out
    assert done.err == ""
