"""The command behind a proxy, under the real service's names: what each gets to see."""

import base64
import textwrap
from typing import Any

import pytest
from doubles.network import API_HOST, CDN_HOST, ConnectProxy, Mirror
from doubles.shell import BASIC, KEY, SECRET, manifest_of

PASSWORD = "p@ssword-of-ann"
DIRECT = """\
    import socket
    resolve = socket.getaddrinfo
    def here(host, port, *rest, **named):
        if host in {hosts!r}:
            host, port = "127.0.0.1", {port}
        return resolve(host, port, *rest, **named)
    socket.getaddrinfo = here
    from pipeline.cli.main import main
    main()
"""


@pytest.fixture
async def mirror(shell, emulator):
    """The real hosts, whose certificates the shell trusts."""
    shell.use(emulator)
    del shell.environment["SCENARIO_BASE_URL"]
    shell.write(manifest_of("an oak"))
    async with Mirror(emulator, shell.folder / "ca.pem") as service:
        shell.environment["SSL_CERT_FILE"] = str(shell.folder / "ca.pem")
        yield service


def leaks(proxy):
    secrets = (KEY, SECRET, BASIC, "Signature=", "Policy=")
    return [secret for secret in secrets if secret.encode() in proxy.received]


@pytest.mark.parametrize("login", ["", f"ann:{PASSWORD}"])
async def test_a_proxy_sees_where_to_and_its_own_login_alone(login, shell, mirror):
    async with ConnectProxy(mirror.port, login=login) as proxy:
        login_in_url = login.replace("@", "%40") + "@" if login else ""
        url = proxy.url.replace("//", f"//{login_in_url}")
        done = await shell.run("run", "trees.yaml", "--yes", "--debug", HTTPS_PROXY=url)

    assert done.code == 0, done.err
    assert (shell.output / "a.png").stat().st_size
    assert set(proxy.hosts) == {f"{API_HOST}:443", f"{CDN_HOST}:443"}
    assert leaks(proxy) == []
    expected = base64.b64encode(login.encode()).decode()
    for head in proxy.heads:
        said = head.decode()
        assert said.lower().count("authorization") == bool(login)
        if login:
            assert f"Proxy-Authorization: Basic {expected}\r\n" in said
    # The service did get the credentials, and the CDN did not.
    of_api = [head for host, _, head in mirror.heads if host == API_HOST]
    of_cdn = [head for host, _, head in mirror.heads if host == CDN_HOST]
    assert {head["Authorization"] for head in of_api} == {f"Basic {BASIC}"}
    assert of_cdn
    assert not any("Authorization" in head for head in of_cdn)
    assert not any("Proxy-Authorization" in head for head in (*of_api, *of_cdn))
    assert PASSWORD not in done.out + done.err


REFUSALS: dict[str, tuple[dict[str, Any], str, str]] = {
    "407": ({"login": "x:y"}, "HTTP 407", "HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT"),
    "403": ({"refusal": "403 Forbidden"}, "answered HTTP 403 Forbidden", "NO_"),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_a_proxy_s_refusal_is_told_as_its_own(case, shell, mirror):
    behaviour, said, hint = REFUSALS[case]
    async with ConnectProxy(mirror.port, **behaviour) as proxy:
        done = await shell.run("doctor", HTTPS_PROXY=proxy.url)

    assert done.code == 12
    assert said in done.out
    assert proxy.url in done.out
    assert hint in done.out
    assert mirror.heads == []
    assert leaks(proxy) == []


async def test_a_certificate_of_nobody_s_names_the_way_to_trust_it(shell, mirror):
    async with ConnectProxy(mirror.port) as proxy:
        done = await shell.run("doctor", HTTPS_PROXY=proxy.url, SSL_CERT_FILE="")

    assert done.code == 12
    assert "certificate" in done.out
    assert "SSL_CERT_FILE" in done.out
    assert mirror.heads == []
    assert leaks(proxy) == []


async def test_hosts_of_no_proxy_are_reached_without_it(shell, mirror):
    program = textwrap.dedent(DIRECT).format(
        hosts=(API_HOST, CDN_HOST), port=mirror.port
    )
    async with (
        ConnectProxy(mirror.port) as proxy,
        shell.start(
            "run",
            "trees.yaml",
            "--yes",
            program=("-c", program),
            HTTPS_PROXY=proxy.url,
            NO_PROXY=".cloud.scenario.com",
        ) as running,
    ):
        done = await running.end()

    assert done.code == 0, done.err
    assert proxy.heads == []
    assert {host for host, _, _ in mirror.heads} == {API_HOST, CDN_HOST}


async def test_a_socks_proxy_stops_every_command_before_it_asks(shell, mirror):
    for command in (("doctor",), ("run", "trees.yaml", "--yes")):
        done = await shell.run(*command, ALL_PROXY="socks5h://127.0.0.1:1")

        assert done.code == 2
        assert "SOCKS" in done.out + done.err
        assert f"NO_PROXY={API_HOST}" in done.out + done.err
    assert mirror.heads == []
