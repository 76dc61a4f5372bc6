"""Commands for a page: ``pipeline`` lines for one manifest, ready to be typed."""

import shlex

from pipeline.manifest import Manifest
from pipeline.naming import is_step, numbered_stem
from pipeline.record import Struct
from pipeline.running.items import ItemRecord, ItemStatus

# The command that goes on with an item, by how the item stands.
_NEXT = {
    ItemStatus.UNKNOWN: ("resolve",),
    ItemStatus.FAILED: ("rerun", "--select"),
    ItemStatus.BLOCKED: ("why",),
    ItemStatus.IN_FLIGHT: ("fetch", "--select"),
    ItemStatus.NOT_FETCHED: ("fetch", "--select"),
    ItemStatus.NOT_SUBMITTED: ("run", "--select"),
    ItemStatus.SAVED: ("run", "--force", "--select"),
}


class CommandLines(Struct, frozen=True, kw_only=True):
    """What all commands about a manifest and its output folder have in common.

    Attributes:
        manifest: As the user named it, with its profile.
        output: The output folder if it is not the usual one; else "".
        store: The URL of the store, if a command would not find it by itself; else "".
        emulate: Whether it is the emulator's.
        allow_outside: Whether references may be outside the manifest's folder.
    """

    manifest: Manifest
    output: str = ""
    store: str = ""
    emulate: bool = False
    allow_outside: bool = False

    def for_item(self, record: ItemRecord) -> str:
        """The command that goes on with an item, or makes it again if it is saved."""
        worst = record.worst
        verb, *options = _NEXT[worst.status]
        if not options:
            return self._line(verb, worst.job_id)
        one = record.chosen if worst.status is ItemStatus.SAVED else worst
        is_whole = is_step(one.job_id) or len(record.takes) == 1
        meant = record.item_id
        if not is_whole:
            meant = numbered_stem(record.item_id, one.number)
        return self._line(verb, *options, meant)

    def for_rejected(self) -> str:
        """The command that makes what was rejected and then edited."""
        return self._line("run", "--only", "rejected")

    def _line(self, verb: str, *words: str) -> str:
        file = self.manifest.file
        if self.manifest.keys:  # a mapping: there is nothing to type
            return ""
        named = f"./{file}" if file.startswith("-") else file
        place = [
            *(("--profile", self.manifest.profile) if self.manifest.profile else ()),
            *(("--output", self.output) if self.output else ()),
            *(("--store", self.store) if self.store else ()),
            *(("--emulate",) if self.emulate else ()),
            *(("--allow-outside",) if self.allow_outside else ()),
        ]
        return shlex.join(["pipeline", verb, named, *words, *place])
