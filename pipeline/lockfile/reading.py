"""The text of a lock file → Jobs, block by block, or an error with its line."""

import hashlib
import re
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from pipeline.counting import plural
from pipeline.errors import LockError
from pipeline.job import Asset, AssetId, Job, JobKey, JobStatus, RemoteId
from pipeline.lockfile.values import (
    ASSET_KEYS,
    ASSET_NEEDS,
    END,
    HEADER_KEYS,
    ITEM_KEYS,
    ITEM_NEEDS,
    MAX_LINE_BYTES,
    UNSAFE,
    Keys,
    Wrong,
    check_index,
    parse_scalar,
    read_remote_id,
    read_value,
    show,
)
from pipeline.manifest.item_id import TakenNames
from pipeline.record import Struct, field
from pipeline.storage.regular_file import NotAFile, open_regular

_Lines = Generator[tuple[int, str], None, None]

_REPAIR = "fix the line, or restore the file from version control"
_MIXED = "blocks were mixed or cut: restore the whole block from version control"
_NOT_ITS_OWN = (
    "restore manifest and lock file together from version control; if you delete the"
    " lock file, it is recreated from what the output folder knows"
)
# Blocks of removed items stay until the next run, and a large manifest may have been
# cut to a small one. But no more jobs are in flight than a service allows.
_SPARE_BLOCKS = 10_000
_SPARE_IN_FLIGHT = 100
_SPARE_BYTES = 16 << 20
_BYTES_PER_ITEM = 16 << 10
_MOST_EMPTY_LINES = 1000  # blank lines and comments, in a row
_CONFLICT = re.compile(r"(<{7}|\|{7}|={7}|>{7})( .*)?")
_KEY_AND_VALUE = re.compile(r"(?P<key>[a-z0-9_]{1,40}): (?P<value>.+)")


class LockHeader(Struct, frozen=True, kw_only=True):
    """What all jobs of a lock file have in common.

    Attributes:
        service: The base URL.
        project: The service's id of the project, or "".
    """

    service: str
    project: str


def read_lock(
    path: Path, *, item_count: int | None = None
) -> tuple[LockHeader, Iterator[Job]]:
    """Read a lock file: its header now, its jobs as they are requested.

    A job is SUCCEEDED, with ``remote_assets`` and with those ``assets`` that were
    saved, or else SUBMITTED; ``attempt`` is 1 and ``request`` is {}. Blocks may be in
    any order; those that repeat a job are skipped. The jobs are only valid once the
    last has been read: record them in one transaction.

    Args:
        path: See ``lock_path``.
        item_count: How many items the manifest has. A lock file with far more is not
            its own, and is not read to the end. None for any number.

    Raises:
        LockError: It cannot be read. Also raised while iterating over the jobs.
    """
    check_size(path, item_count)
    lines = _read_lines(path)
    header = _read_header(path, lines)
    lines.close()
    return header, _read_jobs(path, header, item_count)


def check_size(path: Path, item_count: int | None) -> None:
    """Reject a lock file that is too large for so many items, before reading it.

    Raises:
        LockError: It is.
    """
    if item_count is None:
        return
    most = _SPARE_BYTES + _BYTES_PER_ITEM * item_count
    try:
        size_bytes = path.stat().st_size
    except OSError:
        return  # reported by the code that opens it
    if size_bytes > most:
        needs = plural(item_count, "item needs", "items need")
        text = f"the file has {plural(size_bytes, 'byte')}, more than {needs}"
        _fail(path, 1, text, _NOT_ITS_OWN)


class _Block(Struct):
    """One item as read so far; each asset with its line."""

    line: int
    values: dict[str, Any] = field(default_factory=dict)
    assets: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    asset_ids: list[AssetId] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)  # those begun; the last one is open


def _read_jobs(path: Path, header: LockHeader, item_count: int | None) -> Iterator[Job]:
    lines = _read_lines(path)
    if _read_header(path, lines) != header:
        _fail(path, 1, "the file changed while it was read", "run again")
    known = TakenNames(1024)
    in_flight = 0
    for blocks, block in enumerate(_read_blocks(path, lines), start=1):
        job = _job_from(path, block, header)
        in_flight += job.status is JobStatus.SUBMITTED
        if item_count is not None and (
            blocks > _SPARE_BLOCKS + 10 * item_count
            or in_flight > _SPARE_IN_FLIGHT + item_count
        ):
            text = f"{blocks:,} blocks so far, {in_flight:,} of them in flight,"
            text = f"{text} for a manifest of {plural(item_count, 'item')}"
            _fail(path, block.line, text, _NOT_ITS_OWN)
        taken = known.take(
            job.item_id.encode().hex(), _short_digest(job.remote_id), is_output=False
        )
        if taken is None:
            yield job
        elif taken[0] != _short_digest(job.remote_id):
            _fail(
                path,
                block.line,
                f"item {job.item_id} appears twice, with different jobs",
                "delete one of the two blocks: its job is paid for, but not used",
            )


def _short_digest(remote_id: RemoteId | None) -> int:
    raw = hashlib.blake2b((remote_id or "").encode(), digest_size=4).digest()
    return int.from_bytes(raw) >> 1  # TakenNames keeps 31 bits


def _read_blocks(path: Path, lines: _Lines) -> Iterator[_Block]:
    block: _Block | None = None
    number, text = 0, ""
    for number, text in lines:
        if text == END:
            break
        try:
            if text.startswith("- "):
                if block is not None:
                    yield block
                block = _Block(number)
                _add_value(block.values, text[2:], ITEM_KEYS)
            else:
                _add_line(block, number, text)
        except Wrong as wrong:
            _fail(path, number, str(wrong), wrong.hint)
    if text != END:
        _fail(
            path,
            number,
            f"the file is cut off after this line: its last line, {END!r}, is missing",
            "restore it from version control",
        )
    for number, _ in lines:
        _fail(path, number, f"there is more text after the end, {END!r}")
    if block is not None:
        yield block


def _add_line(block: _Block | None, number: int, text: str) -> None:
    if block is None:
        raise Wrong("an item must begin with '- id:'")
    begun = block.lists[-1] if block.lists else ""
    if text.startswith("    ") and begun == "assets" and block.assets:
        _add_value(block.assets[-1][1], text[4:], ASSET_KEYS)
    elif text.startswith("  - ") and begun == "assets":
        block.assets.append((number, {}))
        _add_value(block.assets[-1][1], text[4:], ASSET_KEYS)
    elif text.startswith("  - ") and begun == "job_asset_ids":
        block.asset_ids.append(AssetId(read_remote_id(parse_scalar(text[4:]))))
    elif text in {"  assets:", "  job_asset_ids:"}:
        name = text.strip(" :")
        if name in block.lists:
            raise Wrong(f"'{name}' appears twice in one block", _MIXED)
        block.lists.append(name)
    elif text.startswith("  "):
        _add_value(block.values, text[2:], ITEM_KEYS)
    else:
        raise Wrong("this line does not belong to an item")


def _add_value(values: dict[str, Any], text: str, keys: Keys) -> None:
    match = _KEY_AND_VALUE.fullmatch(text)
    if match is None:
        raise Wrong(f"{show(text)} is not a 'key: value'")
    key = match["key"]
    if key not in keys:
        raise Wrong(f"unknown key '{key}'")
    if key in values:
        raise Wrong(f"'{key}' appears twice in one block", _MIXED)
    if not values and key != "id":
        raise Wrong("a block must begin with 'id'")
    values[key] = read_value(keys, key, parse_scalar(match["value"]))


def _job_from(path: Path, block: _Block, header: LockHeader) -> Job:
    values = block.values
    _check_complete(path, block.line, values, ITEM_NEEDS)
    if "seed" in values and "derived_seed" in values:
        _fail(
            path,
            block.line,
            "a block cannot have both 'seed' and 'derived_seed'",
            _MIXED,
        )
    assets = tuple(_assets_from(path, block))
    remote_assets = tuple(block.asset_ids) or tuple(one.asset_id for one in assets)
    return Job(
        item_id=values["id"],
        attempt=1,
        job_key=JobKey(values["job_key"]),
        request_key=JobKey(values["request_key"]),
        model_id=values["model"],
        status=JobStatus.SUCCEEDED if remote_assets else JobStatus.SUBMITTED,
        request={},
        seed=values.get("seed", values.get("derived_seed")),
        derived_seed="derived_seed" in values,
        remote_id=RemoteId(values["job"]),
        base_url=header.service,
        project_id=header.project,
        charged=values.get("cost"),
        remote_assets=remote_assets,
        assets=assets,
    )


def _assets_from(path: Path, block: _Block) -> Iterator[Asset]:
    index = 0
    for line, values in block.assets:
        _check_complete(path, line, values, ASSET_NEEDS)
        try:
            index = check_index(index, values.get("output_index", index + 1))
        except Wrong as wrong:
            _fail(path, line, str(wrong))
        yield Asset(
            asset_id=AssetId(values["id"]),
            output_index=index,
            path=values["path"],
            sha256=values["sha256"],
            size_bytes=values["size_bytes"],
            media_type=values["media_type"],
            width_px=values.get("width_px"),
            height_px=values.get("height_px"),
            role=values.get("role", ""),
        )


def _check_complete(
    path: Path, line: int, values: Mapping[str, object], needed: tuple[str, ...]
) -> None:
    for key in needed:
        if key not in values:
            _fail(path, line, f"the block that begins here has no '{key}'", _MIXED)


def _read_lines(path: Path) -> _Lines:
    """The lines that are not empty, with numbers from 1; each is checked on its own."""
    number = empty = 0
    try:
        with open_regular(path) as file:
            while raw := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                if text := _check_line(path, number, raw):
                    empty = 0
                    yield number, text
                    continue
                empty += 1
                if empty > _MOST_EMPTY_LINES:
                    _fail(path, number, f"{empty:,} empty lines in a row")
    except (NotAFile, IsADirectoryError) as error:
        raise LockError(
            f"{path} is not a file: {error.strerror}", hint=_REPAIR
        ) from error
    except OSError as error:
        reason = error.strerror or error
        raise LockError(
            f"{path} cannot be read: {reason}", hint="make it readable"
        ) from error


def _check_line(path: Path, number: int, raw: bytes) -> str:
    """The line without its line end; "" for a comment or an empty line."""
    if len(raw) > MAX_LINE_BYTES:
        _fail(path, number, f"the line is longer than {MAX_LINE_BYTES} bytes")
    try:
        text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError:
        _fail(path, number, "the line is not UTF-8 text")
    text = text.removesuffix("\n").removesuffix("\r")
    if _CONFLICT.fullmatch(text):
        _fail(
            path,
            number,
            "there is an unresolved merge conflict",
            "keep the blocks of both sides (only one if both have the same item) and"
            " delete the marker lines; a lost block is paid for again, unless the"
            " output folder knows its job",
        )
    if UNSAFE.search(text):
        _fail(path, number, "the line has a control character")
    stripped = text.strip(" ")
    return "" if not stripped or stripped.startswith("#") else text


def _read_header(path: Path, lines: _Lines) -> LockHeader:
    values: dict[str, Any] = {}
    number = 1
    for key, read in HEADER_KEYS.items():
        number, text = next(lines, (number, ""))
        found, _, value = text.partition(": ")
        if found != key:
            what = f"'{key}:' is expected here"
            if key == "lock":
                what = "this is not a lock file of pipeline"
            _fail(path, number, what)
        try:
            values[key] = read(parse_scalar(value))
        except Wrong as wrong:
            _fail(path, number, f"'{key}' {wrong}", wrong.hint)
    number, text = next(lines, (number, ""))
    if text != "items:":
        _fail(path, number, "'items:' is expected here")
    return LockHeader(service=values["service"], project=values["project"])


def _fail(path: Path, line: int, message: str, hint: str = "") -> NoReturn:
    raise LockError(f"{path}:{line}: {message}", hint=hint or _REPAIR) from None
