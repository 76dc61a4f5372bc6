"""Logs: what was asked and answered, without a secret."""

import base64
import logging

import pytest

from pipeline.api.client import redacted
from pipeline.api.interface import JobFilter
from pipeline.errors import PipelineError, Unavailable

URL = "https://cdn.cloud.scenario.com/assets/asset_1"
QUERY = "Policy=eyJTdG&Key-Pair-Id=K2&Signature=s3cret~x"


@pytest.mark.parametrize(
    "text",
    [
        f'{{"url":"{URL}?{QUERY}"}}',
        f'{{"url": "{URL}?{QUERY}", "mimeType": "image/png"}}',
        f"{URL}?{QUERY}",
        f"see {URL}?{QUERY} and {URL}?{QUERY}",
        f"'{URL}?{QUERY}'",
        f'{{"url":"http:\\/\\/cdn.x\\/a?{QUERY}"}}',
        f'{{"url":"{URL}?Policy=a\\u0026Signature=s3cret"}}',
    ],
)
def test_the_query_of_a_url_is_not_shown(text):
    shown = redacted(text.encode())

    assert "s3cret" not in shown
    assert "Policy" not in shown


def test_what_is_beside_a_url_is_shown():
    shown = redacted(f'{{"url":"{URL}?{QUERY}","mimeType":"image/png"}}'.encode())

    assert shown == f'{{"url":"{URL}?...","mimeType":"image/png"}}'


def test_base64_is_not_shown():
    image = base64.b64encode(bytes(range(256)) * 4).decode()

    shown = redacted(f'{{"name":"ref.png","image":"{image}"}}'.encode())

    assert shown == '{"name":"ref.png","image":"..."}'


def test_a_long_body_is_cut():
    shown = redacted(b"a b " * 10_000)

    assert len(shown) < 4100
    assert shown.endswith("...")


def test_bytes_that_are_no_text_do_not_break_it():
    assert redacted(b"\xff\x00") == "�\x00"


async def test_at_debug_no_log_holds_a_secret(serve, connect, answer, caplog):
    caplog.set_level(logging.DEBUG)
    body = f'{{"asset":{{"id":"asset_1","url":"{URL}?{QUERY}"}}}}'.encode()

    async def talk(server, reader, writer):
        while True:
            await server.read(reader)
            writer.write(answer(body, headers=["Set-Cookie: session=s3cret"]))

    server = await serve(talk)
    api = await connect(server, project_id="proj_1")

    await api.find_asset("asset_1")
    await api.upload_image("ref.png", b"\x89PNG" * 500)
    with pytest.raises(PipelineError):
        await api.list_jobs(JobFilter())
    server.url = "http://127.0.0.1:9"
    with pytest.raises(Unavailable):
        await (await connect(server)).find_job("job_1")

    assert "/assets/asset_1" in caplog.text  # something was logged
    for secret in (
        "s3cret",
        "Signature=",
        "the-secret",
        "the-key",
        "dGhlLWtleTp0aGUtc2VjcmV0",
        "iVBOR",
        "Basic ",
    ):
        assert secret not in caplog.text, secret
