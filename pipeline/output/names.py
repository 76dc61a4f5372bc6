"""The names of the tool's own files in an output folder; all others are assets."""

from pipeline.assets.originals import ORIGINALS_FOLDER
from pipeline.ledger.ledger import LEDGER_NAME
from pipeline.manifest.review_file import EMULATED_NAME
from pipeline.storage.atomic_file import PARTIAL_FOLDER
from pipeline.storage.files import OWNER_NAME, SHARED_NAME, STORE_NAME

LOCK_NAME = "ledger.lock"
EMULATOR_STATE_NAME = "emulator.jsonl"
EMULATOR_FILES_NAME = "emulator.jsonl.files"
REPORT_FOLDER = "report"
# A folder with one of these is an output folder, even inside another one.
MARKS_OF_OUTPUT = frozenset({LEDGER_NAME, LOCK_NAME, OWNER_NAME})
_OWN_FILES = (
    LEDGER_NAME,
    LOCK_NAME,
    EMULATOR_STATE_NAME,
    EMULATED_NAME,
    SHARED_NAME,
    STORE_NAME,
    OWNER_NAME,
)
_OWN_FOLDERS = frozenset(
    {PARTIAL_FOLDER, ORIGINALS_FOLDER, REPORT_FOLDER, EMULATOR_FILES_NAME}
)


def is_own(name: str) -> bool:
    """Whether a file is one of the tool's own files, not an asset.

    This includes SQLite's files beside the ledger, and damaged ledgers set aside.

    Args:
        name: Relative to the output folder, parts separated by ``/``.
    """
    first = name.partition("/")[0]
    return first in _OWN_FOLDERS or ("/" not in name and first.startswith(_OWN_FILES))
