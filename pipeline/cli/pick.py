"""``pick``, ``approve``, ``reject``: decisions about takes → the review file."""

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from pipeline.cli.console.printing import print_json, say
from pipeline.cli.console.text import one_line
from pipeline.cli.loading import load_opened
from pipeline.errors import ExitCode
from pipeline.manifest import Manifest
from pipeline.operations.accept import accept
from pipeline.operations.pick import approve, pick, reject
from pipeline.operations.reviewing import Decided, parse_take
from pipeline.storage.store import Store


def pick_command(
    manifest: Path, item: str, take: str, *, as_json: bool, **place: Any
) -> ExitCode:
    """Choose a take, and print where its files are."""

    async def choose(loaded: Manifest, store: Store) -> list[Decided]:
        number, index = parse_take(take)
        return [await pick(loaded, store, item, number, output_index=index)]

    return _decide(manifest, choose, "chosen", as_json=as_json, **place)


def approve_command(
    manifest: Path, items: Sequence[str], *, note: str, as_json: bool, **place: Any
) -> ExitCode:
    """Approve takes, and print them."""

    def decide(loaded: Manifest, store: Store) -> Coroutine[Any, Any, list[Decided]]:
        return approve(loaded, store, items, note=note)

    return _decide(manifest, decide, "approved", as_json=as_json, **place)


def reject_command(
    manifest: Path, items: Sequence[str], *, note: str, as_json: bool, **place: Any
) -> ExitCode:
    """Reject takes, and print them."""

    def decide(loaded: Manifest, store: Store) -> Coroutine[Any, Any, list[Decided]]:
        return reject(loaded, store, items, note=note)

    return _decide(manifest, decide, "rejected", as_json=as_json, **place)


def accept_command(
    manifest: Path, items: Sequence[str], *, as_json: bool, **place: Any
) -> ExitCode:
    """Keep the files of edited items, and print them."""

    def decide(loaded: Manifest, store: Store) -> Coroutine[Any, Any, list[Decided]]:
        return accept(loaded, store, items)

    return _decide(manifest, decide, "kept", as_json=as_json, **place)


def _decide(
    manifest: Path, decide: Any, word: str, *, as_json: bool, **place: Any
) -> ExitCode:
    loaded, store = load_opened(manifest, **place)
    decided = asyncio.run(decide(loaded, store))
    print_decided(decided, word, as_json=as_json)
    return ExitCode.OK


def print_decided(decided: Sequence[Decided], word: str, *, as_json: bool) -> None:
    """One line for each take that was decided about."""
    for one in decided:
        if as_json:
            print_json(
                event="take",
                item_id=one.item_id,
                take=one.take,
                **({"output": one.output} if one.output else {}),
                decision=word,
                chosen=one.is_chosen,
                files=list(one.files),
            )
            continue
        files = one_line(", ".join(one.files))
        what = f"take {one.take}"
        if one.output:
            what = f"output {one.output} of {what}"
        say(f"{one.item_id}: {what} is {word} ({files})")
