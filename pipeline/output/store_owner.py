"""The manifest that a store belongs to, written in the store itself.

Output folders and machines of one manifest may share a store. Two manifests may not:
each would replace, rename and prune the other's files.
"""

import json

from pipeline.errors import UsageError
from pipeline.storage.files import OWNER_NAME, is_shared
from pipeline.storage.store import NameTaken, Store

_MOST_BYTES = 4096
_APART = "give each manifest a store, or a prefix, of its own"


def check_store_owner(store: Store, manifest: str) -> None:
    """Refuse the store of another manifest.

    Args:
        store: Opened; not the output folder itself.
        manifest: The name of the manifest that wants to use it.

    Raises:
        UsageError: It belongs to another manifest.
    """
    if is_shared(store.home):
        return
    if store.exists(OWNER_NAME):
        _check_same(store, manifest)


def claim_store(store: Store, manifest: str) -> None:
    """Record in a new store that it belongs to a manifest from now on.

    Of two manifests that claim it at the same moment, one succeeds.

    Raises:
        UsageError: As :func:`check_store_owner`.
        OutputError: It cannot be written.
    """
    if is_shared(store.home):
        return
    check_store_owner(store, manifest)
    if not store.exists(OWNER_NAME):
        content = json.dumps({"manifest": manifest}).encode()
        try:
            store.write(content, OWNER_NAME)
        except NameTaken:
            _check_same(store, manifest)


def _check_same(store: Store, manifest: str) -> None:
    try:
        with store.open(OWNER_NAME) as file:
            owner = json.loads(file.read(_MOST_BYTES))["manifest"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(
            f"{store.describe(OWNER_NAME)} does not say whose store this is",
            hint="delete it if no other manifest uses the store, then run again",
        ) from error
    if owner != manifest:
        raise UsageError(
            f"{store.describe()} belongs to the manifest '{owner}', not to"
            f" '{manifest}'",
            hint=f"{_APART}; if '{owner}' no longer uses it, delete"
            f" {store.describe(OWNER_NAME)}",
        )
