"""The application: what is served, and what is not."""

import json
import os

import pytest

from pipeline.report.review.app import MAX_BODY_BYTES, slugs_of
from pipeline.report.review.files import ServedFile
from pipeline.storage.regular_file import RegularFile

DECISION = {
    "item": "oak",
    "take": 1,
    "word": "rejected",
    "sha256": ["ab" * 32],
    "version": "1",
}


@pytest.fixture
def output(client, tmp_path):
    """An output folder with one file that the page knows."""
    folder = tmp_path / "output"
    folder.mkdir()
    (folder / "oak.png").write_bytes(bytes(range(200)))
    (folder / "unknown.png").write_bytes(b"unknown")
    (tmp_path / "secret.txt").write_bytes(b"secret")
    client.desk.files = {
        "oak.png": ServedFile(
            content=RegularFile(folder / "oak.png", inside=folder),
            sha256="ab" * 32,
            media_type="image/png",
        )
    }
    return folder


async def test_the_page_its_parts_and_its_data_are_served(client):
    answers = [await client.call(path=path) for path in ("", "main.js", "data.js")]

    assert [status for status, _, _ in answers] == [200, 200, 200]
    assert answers[0][1].startswith(b"<!doctype html>")
    kinds = [headers["Content-Type"].partition(";")[0] for _, _, headers in answers]
    assert kinds == ["text/html", "text/javascript", "text/javascript"]


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("", {}),
        ("data.js", {}),
        ("none", {}),
        ("events", {}),
        ("", {"Origin": "http://evil.example"}),
    ],
)
async def test_every_answer_tells_the_browser_to_be_careful(client, path, headers):
    if path == "events":
        async with client.events() as events:
            sent = events.answer.headers
    else:
        _, _, sent = await client.call(path=path, headers=headers)

    policy = sent["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self' 'wasm-unsafe-eval';" in policy  # for 3D models
    assert "unsafe-eval'" not in policy.replace("'wasm-unsafe-eval'", "")
    assert "frame-ancestors 'none'" in policy
    assert sent["Referrer-Policy"] == "no-referrer"
    assert sent["X-Content-Type-Options"] == "nosniff"
    assert sent["Cache-Control"] == "no-store"
    assert sent["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS"])
@pytest.mark.parametrize("path", ["", "decisions", "no-such-path"])
async def test_a_request_of_another_website_is_refused(client, method, path):
    status, body, headers = await client.call(
        method, path, headers={"Origin": "http://evil.example"}
    )

    assert status == 403
    assert set(json.loads(body)) == {"message", "hint"}
    assert "Access-Control-Allow-Origin" not in headers
    assert client.desk.taken == []


async def test_dns_rebinding_does_not_work(client):
    status, body, _ = await client.call(headers={"Host": "evil.example"})

    assert (status, json.loads(body)["message"]) == (
        403,
        "this server is not known by that name",
    )


async def test_an_address_without_the_token_is_refused(client):
    for path in ("/", "/icons/", "/wrong/icons/", "/favicon.ico"):
        status, body, _ = await client.call(path=path)
        assert (status, b"token" in body) == (403, True), path


async def test_the_token_alone_leads_to_the_first_page(client):
    status, _, headers = await client.call(path=client.path.replace("icons/", ""))
    assert (status, headers["Location"]) == (302, "icons/")

    status, _, headers = await client.call(path=client.path.rstrip("/"))
    assert (status, headers["Location"]) == (302, "icons/")


@pytest.mark.parametrize(
    "path",
    [
        "files/unknown.png",
        "files/../secret.txt",
        "files/..%2fsecret.txt",
        "files/%2e%2e/secret.txt",
        "files//etc/passwd",
        "files/oak.png/",
        "files/",
        "thumbnails/unknown.webp",
        "../icons.ledger",
        "page.py",
        "no-such-part.js",
    ],
)
async def test_what_the_page_does_not_know_is_not_found(client, output, path):
    target = f"{client.path}{path}"
    line = await client.raw(
        f"GET {target} HTTP/1.1\nHost: {client.host}\nConnection: close\n\n"
    )

    assert line.split()[1] in {b"404", b"403", b"400"}, line


async def test_a_link_out_of_the_folder_is_not_served(client, output):
    (output / "oak.png").unlink()
    (output / "oak.png").symlink_to(output.parent / "secret.txt")

    status, body, _ = await client.call(path="files/oak.png")

    assert (status, b"secret" in body) == (404, False)


async def test_a_file_that_is_gone_or_a_pipe_is_not_found(client, output):
    (output / "oak.png").unlink()
    assert (await client.call(path="files/oak.png"))[0] == 404

    os.mkfifo(output / "oak.png")
    assert (await client.call(path="files/oak.png"))[0] == 404


async def test_a_file_is_served_in_a_sandbox(client, output):
    status, body, headers = await client.call(path="files/oak.png")

    assert (status, body) == (200, bytes(range(200)))
    assert headers["Content-Type"] == "image/png"
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["Content-Security-Policy"].endswith("sandbox")


async def test_what_a_browser_might_run_is_only_offered_for_saving(client, output):
    client.desk.files["oak.html"] = ServedFile(
        content=output / "oak.png", sha256="ab" * 32, media_type="text/html"
    )

    _, _, headers = await client.call(path="files/oak.html")

    assert headers["Content-Disposition"] == "attachment"


@pytest.mark.parametrize(
    ("wanted", "status", "part"),
    [
        ("bytes=0-9", 206, slice(0, 10)),
        ("bytes=190-", 206, slice(190, 200)),
        ("bytes=-5", 206, slice(195, 200)),
        ("bytes=150-999", 206, slice(150, 200)),
        ("bytes=0-", 200, slice(0, 200)),
        ("bytes=200-", 416, None),
        ("bytes=9-3", 416, None),
        ("lines=1-2", 416, None),
    ],
)
async def test_a_part_of_a_file_is_served(client, output, wanted, status, part):
    found, body, headers = await client.call(
        path="files/oak.png", headers={"Range": wanted}
    )

    assert found == status
    if part is not None:
        assert body == bytes(range(200))[part]
    if status == 206:
        last = part.stop - 1
        assert headers["Content-Range"] == f"bytes {part.start}-{last}/200"


async def test_a_file_that_has_not_changed_is_not_sent_again(client, output):
    _, _, headers = await client.call(path="files/oak.png")
    tag = headers["ETag"]

    status, body, _ = await client.call(
        path="files/oak.png", headers={"If-None-Match": tag}
    )
    assert (status, body) == (304, b"")

    (output / "oak.png").write_bytes(b"other bytes")
    status, body, _ = await client.call(
        path="files/oak.png", headers={"If-Range": tag, "Range": "bytes=0-3"}
    )
    assert (status, body) == (200, b"other bytes")


async def test_only_the_head_of_a_file_is_sent_if_that_is_asked_for(client, output):
    status, body, headers = await client.call("HEAD", "files/oak.png")

    assert (status, body, headers["Content-Length"]) == (200, b"", "200")


async def test_decisions_and_orders_reach_the_desk(client):
    status, body, _ = await client.call("POST", "decisions", json=DECISION)
    assert (status, json.loads(body)) == (200, {"version": "2"})

    order = {"item": "oak", "take": 1, "quote": "q", "units": 5}
    assert (await client.call("POST", "price", json={"item": "oak", "take": 1}))[
        0
    ] == 200
    assert (await client.call("POST", "redo", json=order))[0] == 202
    assert [type(one).__name__ for one in client.desk.taken] == [
        "Decision",
        "PriceRequest",
        "RedoRequest",
    ]


@pytest.mark.parametrize(
    ("path", "body"),
    [("decisions", DECISION), ("price", {"item": "oak", "take": 1}), ("redo", {})],
)
async def test_a_page_that_may_only_read_changes_nothing(client, path, body):
    client.desk.can_edit = client.desk.can_spend = False

    status, answer, _ = await client.call("POST", path, json=body)

    assert status == 403
    assert "--edit" in str(answer) or "--spend" in str(answer)
    assert client.desk.taken == []


@pytest.mark.parametrize(
    "change",
    [
        {"word": "deleted"},
        {"take": "1"},
        {"take": -1},
        {"sha256": ["../etc"]},
        {"sha256": None},
        {"item": ""},
        {"item": "x" * 2000},
        {"note": "x" * 20_000},
    ],
)
async def test_a_request_that_cannot_be_read_is_refused(client, change):
    status, body, _ = await client.call("POST", "decisions", json=DECISION | change)

    assert (status, client.desk.taken) == (400, [])
    assert b"cannot be read" in body


@pytest.mark.parametrize(
    "body", [b"", b"null", b"{", b'{"item": "\xff"}', b'{"x":' + b"[" * 50_000]
)
async def test_a_body_that_is_no_json_is_refused(client, body):
    status, _, _ = await client.call(
        "POST", "price", data=body, headers={"Content-Type": "application/json"}
    )

    assert (status, client.desk.taken) == (400, [])


async def test_a_method_that_a_path_does_not_have_is_refused(client):
    statuses = [
        (await client.call(method, path))[0]
        for method, path in (("PUT", ""), ("DELETE", "decisions"))
    ]

    assert statuses == [405, 405]


async def test_a_form_and_a_large_body_are_refused(client):
    form = await client.call("POST", "decisions", data=DECISION)
    text = await client.call(
        "POST",
        "decisions",
        data=json.dumps(DECISION),
        headers={"Content-Type": "text/plain"},
    )
    large = await client.call(
        "POST", "decisions", json=DECISION | {"more": "x" * MAX_BODY_BYTES}
    )

    assert [form[0], text[0], large[0]] == [415, 415, 413]
    assert client.desk.taken == []


def test_manifests_of_one_name_have_pages_of_their_own():
    assert slugs_of(["icons", "trees", "icons", "icons-2"]) == [
        "icons",
        "trees",
        "icons-2",
        "icons-2-2",
    ]
