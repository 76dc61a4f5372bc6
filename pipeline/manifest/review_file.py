"""The review file of a manifest ↔ Review: YAML with one block for each item.

Items are sorted and each decision is on a line of its own, so that two people who
decide about different items change different lines.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.errors import Fault, ManifestError
from pipeline.manifest.faults import Faults
from pipeline.manifest.item_id import check_id
from pipeline.manifest.manifest import Manifest
from pipeline.manifest.node import Broken, Node
from pipeline.manifest.node_reader import NodeReader
from pipeline.manifest.review import Added, ItemReview, Kept, Review, Verdict
from pipeline.manifest.source import parse_source
from pipeline.storage.atomic_file import write_beside
from pipeline.storage.regular_file import read_regular

EMULATED_NAME = "emulator.review.yaml"  # in the output folder of the emulator

VERSION = 1
MOST_TAKES = 10_000  # of one item, those that were replaced included
_MAX_BYTES = 64 << 20
_MAX_TEXT_CHARS = 10_000
_HEAD = """\
# Decisions about the takes of {name}. Commit this file with the manifest.
# Written by pipeline pick, approve, reject, redo, restore and accept.
# A decision counts as long as the take has the bytes with this SHA-256.
"""
_CONFLICT = re.compile(rb"^(<{7}|\|{7}|={7}|>{7})(\s|$)", re.MULTILINE)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9._/-]*")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_TOP_KEYS = ("version", "items")
_ITEM_KEYS = ("picked", "approved", "rejected", "added", "kept")
_VERDICT_KEYS = ("take", "output", "sha256", "by", "at", "note")
_ADDED_KEYS = ("take", "replaces", "seed", "pinned", "by", "at")
_KEPT_KEYS = ("take", "job_key", "made_by", "sha256", "by", "at")
_INT64_MAX = 2**63 - 1


def review_path(manifest: Path, profile: str = "") -> Path:
    """The review file of a manifest, or of one of its profiles.

    ``icons.yaml`` has ``icons.review.yaml`` beside it, and for the profile ``final``
    ``icons.review.final.yaml``. (``icons.final.review.yaml`` would be the review file
    of a manifest ``icons.final.yaml``.)
    """
    suffix = f".{profile}" if profile else ""
    return manifest.with_name(f"{manifest.stem}.review{suffix}.yaml")


def with_review(manifest: Manifest, output: Path, *, emulate: bool) -> Manifest:
    """The manifest with the decisions that count for an output folder.

    What is decided about emulated files is kept in their output folder: they are not
    what the review file beside the manifest is about.

    Raises:
        ManifestError: The emulator's review file has faults.
    """
    path = (
        output / EMULATED_NAME
        if emulate
        else review_path(manifest.path, manifest.profile)
    )
    if manifest.review.path == path:
        return manifest
    return replace(manifest, review=read_review(path))


def read_review(path: Path, shown: str = "") -> Review:
    """Read a review file.

    Args:
        path: The file; it need not exist.
        shown: The path for messages, as the user would write it.

    Raises:
        ManifestError: With every fault of the file.
    """
    faults = Faults(shown or os.fspath(path))
    try:
        data = read_regular(path, limit_bytes=_MAX_BYTES)
    except FileNotFoundError:
        return Review(path=path)
    except OSError as error:
        reason = error.strerror or error
        message = f"the review file cannot be read: {reason}"
        raise ManifestError(
            [Fault(file=faults.file, line=1, column=1, message=message, hint="")]
        ) from error
    review = Review(path=path, items=_read(data, faults))
    faults.raise_any()
    return review


def write_review(review: Review, manifest_name: str) -> None:
    """Write a review file, completely or not at all; blocking.

    Args:
        review: With its path.
        manifest_name: The name of the manifest's file, for the comment at the head.

    Raises:
        OutputError: It cannot be written.
    """
    assert review.path is not None
    review.path.parent.mkdir(parents=True, exist_ok=True)
    write_beside(review.path, render_review(review, manifest_name).encode())


def render_review(review: Review, manifest_name: str) -> str:
    """The text of a review file; equal for equal decisions."""
    name = "".join(c if c.isprintable() else "?" for c in manifest_name)
    lines = [_HEAD.format(name=name.encode(errors="replace").decode())]
    lines.append(f"version: {VERSION}\n")
    lines.append("items:\n" if review.items else "items: {}\n")
    for base_id, item in sorted(review.items.items()):
        lines.append(f"  {_scalar(base_id)}:\n")
        if item.picked is not None:
            lines.append(f"    picked: {render_decision(item.picked)}\n")
        groups: tuple[tuple[str, tuple[Verdict | Added | Kept, ...]], ...] = (
            ("approved", item.approved),
            ("rejected", item.rejected),
            ("added", item.added),
            ("kept", item.kept),
        )
        for key, records in groups:
            if records:
                lines.append(f"    {key}:\n")
                lines += [f"      - {render_decision(one)}\n" for one in records]
    return "".join(lines)


def render_decision(record: Verdict | Added | Kept) -> str:
    """A decision as the file has it: ``{take: 2, by: Ada, …}``, on one line."""
    match record:
        case Verdict():
            return _flow(record, _VERDICT_KEYS)
        case Added():
            return _flow(record, _ADDED_KEYS)
        case Kept():
            return _flow(record, _KEPT_KEYS)


# --- writing --------------------------------------------------------------------


def _flow(record: Verdict | Added | Kept, names: tuple[str, ...]) -> str:
    entries = [
        f"{name}: {_value(value)}"
        for name in names
        if (value := getattr(record, name)) not in ("", None)
        and not (name == "output" and value == 0)
    ]
    return f"{{{', '.join(entries)}}}"


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_quoted, value))}]"
    return str(value) if isinstance(value, int) else _scalar(str(value))


def _scalar(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return _quoted(text)


def _quoted(text: str) -> str:
    """In ASCII; JSON's pair of escapes for one sign above U+FFFF is no YAML."""
    return "".join(
        json.dumps(sign)[1:-1] if sign <= "\uffff" else f"\\U{ord(sign):08x}"
        for sign in text
    ).join('""')


# --- reading --------------------------------------------------------------------


def _read(data: bytes, faults: Faults) -> Mapping[str, ItemReview]:
    conflict = _CONFLICT.search(data)
    if conflict is not None:
        line = data.count(b"\n", 0, conflict.start()) + 1
        text = "a merge has left a conflict marker here"
        hint = "keep the lines of one side, or of both, and remove the three markers"
        faults.add_at(line, 1, text, hint)
        return {}
    lines = (line.strip() for line in data.splitlines())
    if all(not line or line.startswith(b"#") for line in lines):
        return {}
    root, text = parse_source(data, faults)
    if root is None:
        return {}
    reader = _Reader(NodeReader(text, faults))
    return reader.read(root)


class _Reader:
    """Reads one review file; every fault has a position."""

    def __init__(self, nodes: NodeReader) -> None:
        self._nodes = nodes
        self._faults = nodes.faults

    def read(self, root: Node) -> dict[str, ItemReview]:
        entries = self._nodes.mapping(root, "a review file")
        if entries is None:
            return {}
        self._nodes.unknown_keys(entries, _TOP_KEYS, {})
        version = entries.get("version")
        if version is None or version.value != VERSION:
            mark = root.mark if version is None else version.mark
            text = f"the version of a review file is {VERSION}"
            hint = "a newer release of pipeline may be able to read it"
            self._faults.add(mark, text, hint)
            return {}
        items: dict[str, ItemReview] = {}
        for base_id, node in self._nodes.entries(entries.get("items"), "items").items():
            wrong = check_id(base_id)
            if wrong is not None:
                self._faults.add(node.key_mark, *wrong)
                continue
            items[base_id] = self._item(node)
        return items

    def _item(self, node: Node) -> ItemReview:
        entries = self._nodes.entries(node, "an item's decisions")
        self._nodes.unknown_keys(entries, _ITEM_KEYS, {})
        picked = entries.get("picked")
        return ItemReview(
            picked=None if picked is None else self._verdict(picked),
            approved=self._each(entries.get("approved"), "approved", self._verdict),
            rejected=self._each(entries.get("rejected"), "rejected", self._verdict),
            added=self._each(entries.get("added"), "added", self._added),
            kept=self._each(
                entries.get("kept"), "kept", self._kept, is_repeatable=True
            ),
        )

    def _each(
        self,
        node: Node | None,
        what: str,
        read: Callable[[Node], Any],
        *,
        is_repeatable: bool = False,
    ) -> tuple[Any, ...]:
        if node is None or node.value is None:
            return ()
        found: dict[object, Any] = {}
        for element in self._nodes.sequence(node, what) or ():
            record = read(element)
            if record is None:
                continue
            place: object = record.take, getattr(record, "output", 0)
            if is_repeatable:
                place = record
            if place in found:
                text = f"take {record.take} is {what} twice"
                hint = "keep one of the two lines"
                self._faults.add(element.mark, text, hint)
            found[place] = record
        if is_repeatable:
            return tuple(found.values())
        return tuple(found[place] for place in sorted(found))  # type: ignore[type-var]

    def _verdict(self, node: Node) -> Verdict | None:
        entries = self._fields(node, "a decision", _VERDICT_KEYS)
        if entries is None:
            return None
        take = self._number(node, entries, "take")
        output = self._number(node, entries, "output", least=0, default=0)
        sha256 = self._digests(node, entries)
        if take is None or output is None or sha256 is None:
            return None
        return Verdict(
            take=take,
            output=output,
            sha256=sha256,
            by=self._text(entries, "by"),
            at=self._text(entries, "at"),
            note=self._text(entries, "note"),
        )

    def _added(self, node: Node) -> Added | None:
        entries = self._fields(node, "a take", _ADDED_KEYS)
        if entries is None:
            return None
        take = self._number(node, entries, "take", least=2)
        replaces = self._number(node, entries, "replaces")
        if take is None or replaces is None:
            return None
        if replaces >= take:
            text = f"take {take} cannot replace take {replaces}: it is not newer"
            self._faults.add(entries["replaces"].mark, text)
            return None
        return Added(
            take=take,
            replaces=replaces,
            seed=self._seed(entries, "seed"),
            pinned=self._seed(entries, "pinned"),
            by=self._text(entries, "by"),
            at=self._text(entries, "at"),
        )

    def _kept(self, node: Node) -> Kept | None:
        entries = self._fields(node, "a kept file", _KEPT_KEYS)
        if entries is None:
            return None
        take = self._number(node, entries, "take")
        keys = [self._digest(node, entries, name) for name in ("job_key", "made_by")]
        sha256 = self._digests(node, entries)
        if take is None or None in keys or sha256 is None:
            return None
        return Kept(
            take=take,
            job_key=str(keys[0]),
            made_by=str(keys[1]),
            sha256=sha256,
            by=self._text(entries, "by"),
            at=self._text(entries, "at"),
        )

    # --- values -----------------------------------------------------------------

    def _fields(
        self, node: Node, what: str, known: tuple[str, ...]
    ) -> Mapping[str, Node] | None:
        entries = self._nodes.mapping(node, what)
        if entries is not None:
            self._nodes.unknown_keys(entries, known, {})
        return entries

    def _number(
        self,
        node: Node,
        entries: Mapping[str, Node],
        name: str,
        *,
        least: int = 1,
        default: int | None = None,
    ) -> int | None:
        value = entries.get(name)
        if value is None:
            if default is None:
                self._faults.add(node.mark, f"'{name}' is missing")
            return default
        number = value.value
        if type(number) is int and least <= number <= MOST_TAKES:
            return number
        if not isinstance(number, Broken):
            text = f"'{name}' must be a number from {least} to {MOST_TAKES:,}"
            self._faults.add(value.mark, text)
        return None

    def _seed(self, entries: Mapping[str, Node], name: str) -> int | None:
        node = entries.get(name)
        if node is None or node.value is None or isinstance(node.value, Broken):
            return None
        if type(node.value) is not int or abs(node.value) > _INT64_MAX:
            self._faults.add(node.mark, f"'{name}' must be a whole number")
            return None
        return node.value

    def _text(self, entries: Mapping[str, Node], name: str) -> str:
        node = entries.get(name)
        if node is None or node.value is None:
            return ""
        text = self._nodes.string(node, f"'{name}'")
        if text is not None and len(text) > _MAX_TEXT_CHARS:
            self._faults.add(node.mark, f"'{name}' is too long")
        return text or ""

    def _digest(self, node: Node, entries: Mapping[str, Node], name: str) -> str | None:
        value = entries.get(name)
        if value is None:
            self._faults.add(node.mark, f"'{name}' is missing")
            return None
        return self._sha256(value, f"'{name}'")

    def _digests(
        self, node: Node, entries: Mapping[str, Node]
    ) -> tuple[str, ...] | None:
        value = entries.get("sha256")
        if value is None:
            self._faults.add(node.mark, "'sha256' is missing")
            return None
        elements = self._nodes.sequence(value, "'sha256'")
        if elements is None:
            return None
        found = [self._sha256(element, "'sha256'") for element in elements]
        return None if None in found else tuple(map(str, found))

    def _sha256(self, node: Node, what: str) -> str | None:
        if isinstance(node.value, str) and _SHA256.fullmatch(node.value):
            return node.value
        if not isinstance(node.value, Broken):
            text = f"{what} must be a SHA-256 in hex, in quotes"
            self._faults.add(node.mark, text)
        return None
