"""Facts about a whole ledger ↔ rows of its table ``meta``."""

import json
from collections.abc import Mapping
from datetime import datetime

from pipeline.clock import format_utc, parse_utc
from pipeline.record import Struct


class Facts(Struct, frozen=True, kw_only=True):
    """What a ledger remembers beside its jobs.

    Attributes:
        base_url: Of the service that it is bound to; "" before the first run, and
            that of its first job where only jobs are known.
        project_id: The project that the user named, or "".
        key_project: The project of the API key, as the service names it, or "".
        author_id: The author of the job of ours that was seen last, or "".
        manifest: The name of the manifest that used it last, or "".
        manifests: The names of all that have used it.
        rebuilt_since: Set on a rebuilt ledger: jobs that were made since this time
            of the service's may be ours and are still to be looked for.
        lock_sha256: Of the lock file as it was last read or written, or None.
        tool: The version that made it, or "".
    """

    base_url: str = ""
    project_id: str = ""
    key_project: str = ""
    author_id: str = ""
    manifest: str = ""
    manifests: tuple[str, ...] = ()
    rebuilt_since: datetime | None = None
    lock_sha256: str | None = None
    tool: str = ""

    def is_shared_by(self, manifest: str) -> bool:
        """Whether manifests of other names than this have used the ledger."""
        return any(name != manifest for name in self.manifests)


def facts_from(meta: Mapping[str, str]) -> Facts:
    """The record; keys of a later version are left alone.

    Raises:
        ValueError, TypeError: A value cannot be read.
    """
    since = meta.get("rebuilt_since")
    return Facts(
        base_url=meta.get("base_url", ""),
        project_id=meta.get("project_id", ""),
        key_project=meta.get("key_project", ""),
        author_id=meta.get("author_id", ""),
        manifest=meta.get("manifest", ""),
        manifests=tuple(map(str, json.loads(meta.get("manifests", "[]")))),
        rebuilt_since=None if since is None else parse_utc(since),
        lock_sha256=meta.get("lock_sha256"),
        tool=meta.get("tool", ""),
    )


def meta_value(value: object) -> str | None:
    """A fact as the table holds it; None for one that is not to be kept."""
    match value:
        case datetime():
            return format_utc(value)
        case tuple():
            return json.dumps(value)
        case None:
            return None
    return str(value)
