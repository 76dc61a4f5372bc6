"""HttpTransfer: signed URLs as they are, no credential, known hosts, whole bodies."""

import asyncio
import gzip
import logging

import aiohttp
import pytest

from pipeline.api.cdn import CDN_HOSTS, ForeignHost, HttpTransfer
from pipeline.api.interface import UrlExpired
from pipeline.errors import DownloadFailed, JobError, PipelineError, Unavailable
from pipeline.settings import Settings

SIGNED = "/assets/asset_1?Policy=a~b_&Signature=s3cret%2B%2f-~x%20y&Key-Pair-Id=K&width=+1&empty=&&x"
TIGHT = Settings(read_timeout_s=0.2, connect_timeout_s=0.2)


@pytest.fixture
async def transfer():
    async with HttpTransfer(TIGHT, loopback=True) as http_transfer:
        yield http_transfer


@pytest.fixture
async def strict():
    """As it is with the real service: nothing on this machine."""
    async with HttpTransfer(TIGHT, loopback=False) as http_transfer:
        yield http_transfer


async def download(transfer, url):
    async with transfer.read(url) as (length, chunks):
        return length, b"".join([chunk async for chunk in chunks])


def fields(head):
    lines = head.decode("latin-1").split("\r\n")[1:-2]
    return {
        name.lower(): value for name, _, value in (ln.partition(": ") for ln in lines)
    }


async def test_a_file_comes_whole_with_its_length(transfer, serve, answer):
    content = bytes(range(256)) * 20_000  # several chunks
    server = await serve(answer(content))

    assert await download(transfer, server.url + SIGNED) == (len(content), content)


async def test_without_a_length_it_is_unsaid(transfer, serve, answer):
    server = await serve(answer(b"content", length=False))

    assert await download(transfer, server.url + "/a") == (None, b"content")


async def test_the_signed_query_is_sent_byte_for_byte(transfer, serve, answer):
    server = await serve(answer(b"x"))

    await download(transfer, server.url + SIGNED)

    assert server.requests[0][0].startswith(f"GET {SIGNED} HTTP/1.1\r\n".encode())


async def test_nothing_says_who_we_are(transfer, serve, answer, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text(
        "machine 127.0.0.1 login a password b\ndefault login c password d\n"
    )
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    server = await serve(answer(b"x", headers=["Set-Cookie: a=b", "Connection: close"]))

    await download(transfer, server.url + SIGNED)
    await download(transfer, server.url + SIGNED)
    await transfer.write(server.url + SIGNED, b"part", "image/png")

    assert len(server.requests) == 3
    for head, _ in server.requests:
        assert "authorization" not in fields(head)
        assert "proxy-authorization" not in fields(head)
        assert "cookie" not in fields(head)
    assert fields(server.requests[0][0])["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/assets/a?Signature=s3cret",
        "http://cdn.cloud.scenario.com/assets/a?Signature=s3cret",
        "https://cdn.cloud.scenario.com.evil.example/?Signature=s3cret",
        "https://evilcdn.cloud.scenario.com/?Signature=s3cret",
        "https://cdn.cloud.scenario.com@evil.example/?Signature=s3cret",
        "https://evil.example\\@cdn2.scenario.com/?Signature=s3cret",
        "ftp://cdn.cloud.scenario.com/?Signature=s3cret",
        "file:///etc/passwd?Signature=s3cret",
        "//cdn.cloud.scenario.com/?Signature=s3cret",
        "http://127.0.0.1:1/?Signature=s3cret",
        "https://127.0.0.1:1/?Signature=s3cret",
        "https://[?Signature=s3cret",
        "Signature=s3cret",
        "",
    ],
)
async def test_a_host_that_is_not_the_service_s_is_never_asked(strict, url):
    with pytest.raises(ForeignHost) as caught:
        await download(strict, url)

    assert isinstance(caught.value, Unavailable)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://[?Signature=s3cret", "http://[::1?Signature=s3cret", "x", ""]
)
async def test_with_the_emulator_too_a_url_that_is_none_is_foreign(transfer, url):
    with pytest.raises(ForeignHost):
        await download(transfer, url)


@pytest.mark.parametrize("port", ["99999", "x", "-1"])
async def test_a_port_that_is_none_is_no_bug(strict, port):
    with pytest.raises(JobError) as caught:
        await download(
            strict, f"https://cdn.cloud.scenario.com:{port}/?Signature=s3cret"
        )

    assert "s3cret" not in str(caught.value)


def test_the_known_hosts_are_the_two_of_the_contract():
    assert {"cdn.cloud.scenario.com", "cdn.scenario.com"} == CDN_HOSTS


# --- redirects ----------------------------------------------------------------------


@pytest.mark.parametrize("status", ["301 A", "302 B", "303 C", "307 D", "308 E"])
async def test_a_redirect_to_a_known_host_is_followed(transfer, serve, answer, status):
    target = await serve(answer(b"content"))
    first = await serve(
        answer(status=status, headers=[f"Location: {target.url}{SIGNED}"])
    )

    assert await download(transfer, first.url + "/a") == (7, b"content")
    assert target.requests[0][0].startswith(f"GET {SIGNED} HTTP/1.1\r\n".encode())
    assert "authorization" not in fields(target.requests[0][0])


async def test_a_relative_redirect_stays_on_its_host(transfer, serve, answer):
    async def talk(server, reader, writer):
        head, _ = await server.read(reader)
        if head.startswith(b"GET /a "):
            writer.write(
                answer(
                    status="302 Found",
                    headers=["Location: /b?c=d", "Connection: close"],
                )
            )
        else:
            writer.write(answer(b"content"))

    server = await serve(talk)

    assert await download(transfer, server.url + "/a") == (7, b"content")
    assert server.requests[1][0].startswith(b"GET /b?c=d ")


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example/?Signature=s3cret",
        "http://cdn.scenario.com/",
        "ftp://x/",
        "//evil.example/",
        "http://[",
        "https://user:pw@evil.example/",
    ],
)
async def test_a_redirect_to_a_foreign_host_says_that_the_url_has_expired(
    transfer, serve, answer, location
):
    server = await serve(answer(status="302 Found", headers=[f"Location: {location}"]))

    with pytest.raises(UrlExpired) as caught:
        await download(transfer, server.url + "/a")

    assert "s3cret" not in str(caught.value)
    assert "evil" not in str(caught.value)
    assert len(server.requests) == 1


async def test_a_redirect_to_a_web_page_says_that_the_url_has_expired(
    transfer, serve, answer
):
    page = await serve(answer(b"<p>Sign in", headers=["Content-Type: text/html; a=b"]))
    server = await serve(
        answer(status="302 Found", headers=[f"Location: {page.url}/login"])
    )

    with pytest.raises(UrlExpired, match="web page"):
        await download(transfer, server.url + SIGNED)


async def test_redirects_end_somewhere(transfer, serve, answer):
    server = await serve(
        answer(status="302 Found", headers=["Location: /a", "Connection: close"])
    )

    with pytest.raises(Unavailable, match="redirects"):
        await download(transfer, server.url + "/a")

    assert len(server.requests) == 4


async def test_a_redirect_without_a_target_ends_too(transfer, serve, answer):
    server = await serve(answer(status="302 Found", headers=["Connection: close"]))

    with pytest.raises(Unavailable):
        await download(transfer, server.url + "/a")

    assert len(server.requests) <= 4


# --- answers ------------------------------------------------------------------------


@pytest.mark.parametrize("status", [403, 404, 410])
async def test_a_url_that_is_refused_has_expired(transfer, serve, answer, status):
    server = await serve(answer(b"<Error>AccessDenied</Error>", status=f"{status} No"))

    with pytest.raises(UrlExpired) as caught:
        await download(transfer, server.url + SIGNED)

    assert str(status) in caught.value.message
    assert "s3cret" not in caught.value.message


@pytest.mark.parametrize(
    "status", [201, 204, 206, 304, 400, 401, 408, 416, 429, 500, 503]
)
async def test_any_other_answer_is_worth_another_try(transfer, serve, answer, status):
    server = await serve(answer(b"", status=f"{status} Odd"))

    with pytest.raises(Unavailable) as caught:
        await download(transfer, server.url + SIGNED)

    assert type(caught.value) is Unavailable
    assert caught.value.status == status


@pytest.mark.parametrize(
    "encoding", ["gzip", "GZIP", "br", "deflate", "gzip, identity"]
)
async def test_a_compressed_body_is_refused(transfer, serve, answer, encoding):
    server = await serve(
        answer(gzip.compress(b"x"), headers=[f"Content-Encoding: {encoding}"])
    )

    with pytest.raises(Unavailable):
        await download(transfer, server.url + "/a")


async def test_an_identity_encoding_is_none(transfer, serve, answer):
    server = await serve(answer(b"x", headers=["Content-Encoding: Identity"]))

    assert await download(transfer, server.url + "/a") == (1, b"x")


# --- broken transfers ---------------------------------------------------------------


async def cut_in_the_body(server, reader, writer):
    await server.read(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")


async def cut_in_a_chunk(server, reader, writer):
    await server.read(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\nhalf")


async def hang_in_the_body(server, reader, writer):
    await cut_in_the_body(server, reader, writer)
    await reader.read()


async def hang_before_the_head(server, reader, writer):
    await server.read(reader)
    await reader.read()


async def close_at_once(server, reader, writer):
    return


async def speak_no_http(server, reader, writer):
    await server.read(reader)
    writer.write(b"220 ftp ready\r\n\r\n")


async def send_a_bad_length(server, reader, writer):
    await server.read(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nx")


@pytest.mark.parametrize(
    "talk",
    [
        cut_in_the_body,
        cut_in_a_chunk,
        hang_in_the_body,
        hang_before_the_head,
        close_at_once,
        speak_no_http,
        send_a_bad_length,
    ],
    ids=lambda talk: talk.__name__,
)
async def test_a_transfer_that_breaks_is_worth_another_try(
    transfer, serve, talk, caplog
):
    caplog.set_level(logging.DEBUG)
    server = await serve(talk)

    with pytest.raises(Unavailable) as caught:
        await download(transfer, server.url + SIGNED)

    shown = f"{caught.value}{caught.value!r}{caplog.text}{caught.value.__cause__}"
    assert "s3cret" not in shown
    assert server.url not in shown
    assert caught.value.message.startswith("downloading: ")


async def test_a_reader_that_stops_early_leaves_no_connection(serve, answer):
    server = await serve(answer(b"x" * (4 << 20)))

    async with HttpTransfer(TIGHT, loopback=True) as transfer:
        async with transfer.read(server.url + "/a") as (_, chunks):
            await anext(chunks)
        await download(transfer, server.url + "/a")

    assert server.connections == 2


# --- uploads ------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 204])
async def test_a_part_is_put_raw_with_its_type(transfer, serve, answer, status):
    server = await serve(answer(status=f"{status} OK"))

    await transfer.write(server.url + SIGNED, b"\x00part", "image/png")

    [(head, body)] = server.requests
    assert head.startswith(f"PUT {SIGNED} HTTP/1.1\r\n".encode())
    assert body == b"\x00part"
    assert fields(head)["content-type"] == "image/png"
    assert fields(head)["content-length"] == "5"


async def test_a_part_of_several_megabytes_is_put_whole(transfer, serve, answer):
    server = await serve(answer())
    content = bytes(range(256)) * (5 << 12)

    await transfer.write(server.url + "/a", content, "image/png")

    assert server.requests[0][1] == content


@pytest.mark.parametrize("status", [403, 404, 410])
async def test_a_part_s_url_that_is_refused_has_expired(
    transfer, serve, answer, status
):
    server = await serve(answer(status=f"{status} No"))

    with pytest.raises(UrlExpired):
        await transfer.write(server.url + SIGNED, b"x", "image/png")


@pytest.mark.parametrize("status", [301, 307, 400, 429, 500])
async def test_a_part_that_is_not_taken_may_be_tried_again(
    transfer, serve, answer, status
):
    stranger = await serve(answer())
    server = await serve(
        answer(status=f"{status} No", headers=[f"Location: {stranger.url}/"])
    )

    with pytest.raises(Unavailable) as caught:
        await transfer.write(server.url + SIGNED, b"x", "image/png")

    assert caught.value.status == status
    assert stranger.connections == 0
    assert "s3cret" not in str(caught.value)


async def test_a_part_whose_sending_breaks_may_be_tried_again(transfer, serve):
    server = await serve(close_at_once)

    with pytest.raises(Unavailable) as caught:
        await transfer.write(server.url + SIGNED, b"x", "image/png")

    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://storage.example/x?Signature=s3cret",
        "http://127.0.0.1:1/",
        "ftp://x/",
        "https://[",
        "https://storage.example:99999/",
        "https://" + "a" * 70 + "/",
        "",
    ],
)
async def test_a_part_is_never_sent_without_https(strict, url):
    with pytest.raises(PipelineError) as caught:
        await strict.write(url, b"x", "image/png")

    assert isinstance(caught.value, DownloadFailed | Unavailable)
    assert "s3cret" not in str(caught.value)


async def test_a_foreign_error_s_text_is_not_passed_on(strict, monkeypatch):
    """The library's own texts may hold the URL."""

    async def leave(self, method, url, **named):
        raise aiohttp.ClientPayloadError(f"cannot read {url}")

    monkeypatch.setattr(aiohttp.ClientSession, "_request", leave)
    with pytest.raises(Unavailable) as caught:
        await download(strict, "https://cdn.scenario.com/a?Signature=s3cret")

    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


async def test_a_part_that_nobody_reads_is_given_up(transfer, monkeypatch):
    """While a body is sent, the limit on a silent connection does not apply."""
    monkeypatch.setattr("pipeline.api.cdn.LEAST_SENT_PER_S", 1 << 30)
    ended = asyncio.Event()

    async def read_nothing(reader, writer):
        await ended.wait()
        writer.close()

    async with await asyncio.start_server(read_nothing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unavailable, match="sending a part: "):
            await transfer.write(f"http://127.0.0.1:{port}/", bytes(64 << 20), "a/b")
        ended.set()
