"""Probes: what becomes of an upload, and how its file can be read. Free."""

import base64
import re
import struct
import zlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from pipeline.api.wire import split_url
from pipeline.contract.model_probes import UNKNOWN_ASSET
from pipeline.contract.prober import (
    NOT_FOUND,
    Known,
    Prober,
    date_of,
    inner,
    objects_in,
    step_of,
    time_in,
)

CDN_HOSTS = frozenset({"cdn.cloud.scenario.com", "cdn.scenario.com"})
READY_LOOKS = 20
LISTED_LOOKS = 5
PICTURE_SIDE_PX = 256  # more than the smallest side of a reference
PARTIAL_CONTENT = 206
PART_BYTES = 8
_SKEW_STEP_S = 60


def make_picture() -> bytes:
    """A small PNG that is the same every time."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    side = PICTURE_SIDE_PX
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = (b"\0" + b"\x2f\x80\x60" * side) * side
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows, 9))
        + chunk(b"IEND", b"")
    )


async def ask_upload(prober: Prober, known: Known) -> None:
    """Upload a small picture twice; sets ``known.asset_id`` and ``author_id``."""
    note = prober.note
    content = base64.b64encode(make_picture()).decode()
    body = {"name": "contract-probe.png", "image": content}
    first = await prober.post("/assets", body)
    asset = inner(first.json, "asset")
    if not first.is_ok or not isinstance(asset.get("id"), str):
        return
    known.asset_id = asset["id"]
    known.author_id = str(asset.get("authorId") or "")
    note("upload.ready", str(asset.get("status")))
    job = await _find_upload(prober, known, first.at_s)
    if job is not None:
        if known.author_id and job.get("authorId"):
            same = job["authorId"] == known.author_id
            note("list.author", "same" if same else "differs")
        said, made = date_of(first), time_in(job, "createdAt")
        if said and made:
            skew = said - made
            # A Date is cut off to the second, and the upload took a moment.
            close = abs(skew) <= timedelta(seconds=5)
            minutes = round(skew.total_seconds() / _SKEW_STEP_S)
            note("date.skew", 0 if close else minutes * _SKEW_STEP_S)
    second = await prober.post("/assets", body)
    again = inner(second.json, "asset").get("id")
    if isinstance(again, str):
        note("upload.again", "same" if again == known.asset_id else "new")


async def ask_files(prober: Prober, known: Known) -> None:
    """Ask how assets and their files can be read."""
    note = prober.note
    if not known.asset_id:
        return
    asset_id = quote(known.asset_id, safe="")
    bulk = await prober.post(
        "/assets/get-bulk", {"assetIds": [known.asset_id, UNKNOWN_ASSET]}
    )
    if bulk.is_ok:
        ids = [asset.get("id") for asset in objects_in(bulk.json, "assets")]
        note("bulk.unknown", "left out" if ids == [known.asset_id] else "shown")
    elif bulk.status == NOT_FOUND:
        note("bulk.unknown", "fails")
    original = await _read_when_ready(prober, asset_id)
    copy = inner((await prober.get(f"/assets/{asset_id}")).json, "asset")
    note("asset.url", _kind_of_url(copy.get("url")))
    note("asset.original-url", _kind_of_url(original.get("url")))
    url = original.get("url")
    if not isinstance(url, str) or not _is_known(known, url):
        note("cdn.host", "unknown" if isinstance(url, str) else None)
        return
    note("cdn.host", "known")
    await _ask_cdn(prober, url, inner(original, "properties").get("size"))
    note("cdn.altered", await _alter(prober, url))
    other = copy.get("url")
    if isinstance(other, str) and _is_known(known, other) and _is_copy(other):
        note("cdn.altered-copy", await _alter(prober, other))


async def _read_when_ready(prober: Prober, asset_id: str) -> Mapping[str, Any]:
    """The record of an asset, with the URL of the original."""
    asset: Mapping[str, Any] = {}
    for look in range(READY_LOOKS):
        if look:
            await prober.pause()
        answer = await prober.get(f"/assets/{asset_id}", originalAssets="true")
        asset = inner(answer.json, "asset")
        if asset.get("status") == "success":
            break
    return asset


async def _find_upload(
    prober: Prober, known: Known, since_s: float
) -> Mapping[str, Any] | None:
    """Find the job of our upload, as soon as the unfiltered list shows it."""
    for look in range(1, LISTED_LOOKS + 1):
        for job in await prober.list_jobs(pageSize="20"):
            made = inner(job, "metadata", "output").get("entityId")
            if made == known.asset_id and job.get("jobType") != "custom":
                prober.note("list.uploads", "shown")
                lag_s = prober.kept[-1].at_s - since_s
                prober.note("list.upload-lag", step_of(lag_s, look))
                return job
        await prober.pause()
    if prober.kept[-1].is_ok:
        prober.note("list.uploads", "not shown")
    return None


async def _ask_cdn(prober: Prober, url: str, size_bytes: object) -> None:
    note = prober.note
    head = await prober.fetch("HEAD", url)
    note("cdn.head", head.status or None)
    whole = await prober.fetch("GET", url)
    if not whole.is_ok:
        return
    note("cdn.length", "said" if "content-length" in whole.headers else "not said")
    if isinstance(size_bytes, int):
        note("asset.size", "same" if size_bytes == len(whole.body) else "differs")
    part = await prober.fetch("GET", url, Range=f"bytes=8-{7 + PART_BYTES}")
    obeyed = part.status == PARTIAL_CONTENT and len(part.body) == PART_BYTES
    note("cdn.range", "obeyed" if obeyed else "ignored")


async def _alter(prober: Prober, url: str) -> int | None:
    """The status for a changed signature; None if there is no signature."""
    altered = re.sub(
        r"([?&]Signature=)(.)",
        lambda found: found[1] + ("B" if found[2] == "A" else "A"),
        url,
    )
    if altered == url:
        return None
    return (await prober.fetch("GET", altered)).status or None


def _is_known(known: Known, url: str) -> bool:
    parts = split_url(url)
    if known.is_loopback:
        return parts.hostname == "127.0.0.1"
    return parts.scheme == "https" and parts.hostname in CDN_HOSTS


def _kind_of_url(url: object) -> str | None:
    if not isinstance(url, str) or not url:
        return None
    return "transformed" if _is_copy(url) else "original"


def _is_copy(url: str) -> bool:
    return split_url(url).path.startswith("/assets-transform/")
