"""What a user names, a folder or the URL of a store → the open store."""

import tempfile
from contextlib import ExitStack
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.output.stores import open_store
from pipeline.settings import expand_home
from pipeline.storage.store import Store


def open_place(place: str, opened: ExitStack) -> Store:
    """Open the store at a URL, or of an output folder.

    Args:
        place: As it was typed.
        opened: Closes what is only needed meanwhile.

    Raises:
        UsageError: There is no such folder, or nothing at the URL.
        OutputError: The store cannot be read.
    """
    if "://" in place:
        home = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        store = open_store(Path(opened.enter_context(home)), place)
        if next(store.list_files(), None) is None:
            raise UsageError(
                f"there is nothing in {store.describe()}",
                hint="check the name of the bucket and what follows it",
            )
        return store
    hint = "name an output folder, or a store such as s3://bucket/prefix"
    return open_store(find_folder(place, hint=hint))


def find_folder(place: str, *, hint: str) -> Path:
    """The folder that a user names.

    Args:
        place: As it was typed.
        hint: What to name instead, if there is none.

    Raises:
        UsageError: There is no such folder.
    """
    folder = expand_home(place)
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}", hint=hint)
    return folder
