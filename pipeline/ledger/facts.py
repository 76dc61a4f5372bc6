"""Facts about a whole ledger ↔ rows of its table ``meta``."""

import json
from collections.abc import Mapping
from datetime import datetime

from pipeline.clock import format_utc, parse_utc
from pipeline.record import Struct


class Facts(Struct, frozen=True, kw_only=True):
    """Facts about a whole ledger, besides its jobs.

    Attributes:
        base_url: The service that the ledger is bound to. If no run has bound it yet,
            the service of its first job, or "".
        project_id: The project that the user named, or "".
        key_project: The project of the API key, as the service names it, or "".
        author_id: The author of our most recently seen job, or "".
        manifest: The name of the manifest that last used the ledger, or "".
        manifest_file: The path of the manifest that it belongs to, relative to its
            folder, parts separated by ``/``; "" if unknown.
        profile: The profile of that manifest to which it belongs, or "".
        manifests: The names of all manifests that have used it.
        rebuilt_since: Set if the ledger was rebuilt: jobs made since then, in the
            service's time, may be ours and have not been searched for yet.
        lock_sha256: Digest of the lock file when it was last read or written, or None.
        tool: The version that created the ledger, or "".
        emulator: ``1`` if the emulator has made its jobs, in this process or another.
        copy_due: ``1`` if a run has begun to work since the store got a copy of this
            ledger; only if the files are in a store.
    """

    base_url: str = ""
    project_id: str = ""
    key_project: str = ""
    author_id: str = ""
    manifest: str = ""
    manifest_file: str = ""
    profile: str = ""
    manifests: tuple[str, ...] = ()
    rebuilt_since: datetime | None = None
    lock_sha256: str | None = None
    tool: str = ""
    emulator: str = ""
    copy_due: str = ""

    @property
    def is_emulated(self) -> bool:
        """Whether the emulator has made the jobs."""
        return bool(self.emulator)

    def is_shared_by(self, manifest: str) -> bool:
        """Whether manifests with other names have used the ledger too."""
        return any(name != manifest for name in self.manifests)


def facts_from(meta: Mapping[str, str]) -> Facts:
    """The facts in the table ``meta``; keys of a later version are ignored.

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
        manifest_file=meta.get("manifest_file", ""),
        profile=meta.get("profile", ""),
        manifests=tuple(map(str, json.loads(meta.get("manifests", "[]")))),
        rebuilt_since=None if since is None else parse_utc(since),
        lock_sha256=meta.get("lock_sha256"),
        tool=meta.get("tool", ""),
        emulator=meta.get("emulator", ""),
        copy_due=meta.get("copy_due", ""),
    )


def meta_value(value: object) -> str | None:
    """A fact as the table stores it; None to delete it."""
    match value:
        case datetime():
            return format_utc(value)
        case tuple():
            return json.dumps(value)
        case None:
            return None
    return str(value)
