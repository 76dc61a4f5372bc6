"""Verify: finds missing, changed, broken and stray files in an output folder or store.

Changes nothing.
"""

import random
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import copyfileobj

from pipeline.assets.checks.content import check_content
from pipeline.assets.checks.damage import Damaged
from pipeline.assets.checks.recorded import Finding, check_recorded
from pipeline.assets.sidecar import (
    DamagedSidecar,
    NoSidecar,
    PointerSidecar,
    load_sidecar,
)
from pipeline.job import SIDECAR_SUFFIX, Asset
from pipeline.output.gallery_folder import find_gallery_files
from pipeline.output.names import is_own
from pipeline.output.stores import list_own
from pipeline.output.verified import VerifiedFiles
from pipeline.record import Struct
from pipeline.storage.folder import Folder
from pipeline.storage.in_memory import InMemory
from pipeline.storage.store import Content, Store

_THREADS = 4
_REMOTE_THREADS = 16
_IN_MEMORY_BYTES = 16 << 20  # of one file; a larger one is read into a temporary file


class Verified(Struct, frozen=True, kw_only=True):
    """One file and the finding about it.

    Attributes:
        path: Relative to the output folder, parts separated by ``/``.
        finding: The finding.
        detail: Details of the finding, or "".
    """

    path: str
    finding: Finding
    detail: str = ""


def verify(
    store: Store,
    *,
    sample: float | None = None,
    known: VerifiedFiles | None = None,
) -> Iterator[Verified]:
    """Compare every asset with its sidecar and decode it; then list stray files.

    Args:
        store: Where the files are, opened.
        sample: Look only at this share of the assets, from 0 to 1, chosen at random;
            at least at one. None for all of them.
        known: Those that were whole before, and are passed over; it learns the others.

    Yields:
        One record per file: assets, then damaged sidecars, then strays, each sorted by
        path.
    """
    files = sorted(_names(store))
    assets: dict[str, Asset] = {}
    explained: set[str] = set()
    damaged: list[Verified] = []
    there = set(files)
    of_galleries = find_gallery_files(files, store.home)
    for name in files:
        if not name.endswith(SIDECAR_SUFFIX) or is_own(name) or name in of_galleries:
            continue
        if name + SIDECAR_SUFFIX in there:
            continue  # an asset that is JSON
        asset_name = name.removesuffix(SIDECAR_SUFFIX)
        try:
            job = load_sidecar(store.home, asset_name)
        except DamagedSidecar as error:
            detail = f"the sidecar says {error}"
            damaged.append(Verified(path=name, finding=Finding.BROKEN, detail=detail))
            explained |= {name, asset_name}
            continue
        except PointerSidecar as error:
            detail = f"the sidecar is {error}"
            damaged.append(Verified(path=name, finding=Finding.MISSING, detail=detail))
            explained |= {name, asset_name}
            continue
        except (NoSidecar, OSError):
            continue
        assets[asset_name] = job.assets[0]
        explained |= {name, asset_name}
    chosen = _choose(list(assets.values()), store, sample, known)
    yield from _verify_all(store, chosen, known)
    yield from damaged
    explained |= of_galleries
    for name in files:
        if not is_own(name) and name not in explained:
            yield Verified(path=name, finding=Finding.STRAY)


def _verify_all(
    store: Store, assets: Sequence[Asset], known: VerifiedFiles | None
) -> Iterator[Verified]:
    with ThreadPoolExecutor(_REMOTE_THREADS if store.is_remote else _THREADS) as pool:
        results = pool.map(lambda asset: _verify_one(store, asset), assets)
        for asset, found in zip(assets, results, strict=True):
            if known is not None and found.finding is Finding.OK:
                known.add(asset, store)
            yield found


def _names(store: Store) -> Iterator[str]:
    if isinstance(store, Folder):
        for path in store.root.rglob("*"):
            if path.is_file() or path.is_symlink():
                yield path.relative_to(store.root).as_posix()
        return
    yield from (file.name for file in list_own(store))


def _choose(
    assets: Sequence[Asset],
    store: Store,
    sample: float | None,
    known: VerifiedFiles | None,
) -> Sequence[Asset]:
    left = [one for one in assets if known is None or not known.has(one, store)]
    if sample is None or not left:
        return left
    count = min(len(left), max(1, round(len(assets) * sample)))
    places = sorted(random.sample(range(len(left)), count))
    return [left[place] for place in places]


def _verify_one(store: Store, asset: Asset) -> Verified:
    if not store.is_remote or not store.exists(asset.path):
        return _look_at(store.file(asset.path), asset)
    # Read once, not once for the hash and once more for what it shows.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            with store.open(asset.path) as file:
                content: Content = InMemory(file.read(_IN_MEMORY_BYTES))
                if more := file.read(1):
                    path = Path(folder, "content")
                    with content.open("rb") as begun, path.open("wb") as copy:
                        copyfileobj(begun, copy)
                        copy.write(more)
                        copyfileobj(file, copy)
                    content = path
        except OSError as error:
            detail = f"cannot be read: {error}"
            return Verified(path=asset.path, finding=Finding.BROKEN, detail=detail)
        return _look_at(content, asset)


def _look_at(content: Content, asset: Asset) -> Verified:
    finding, detail = check_recorded(content, asset)
    if finding is Finding.OK:
        try:
            check_content(content, asset.media_type)
        except Damaged as error:
            finding, detail = Finding.BROKEN, str(error)
    return Verified(path=asset.path, finding=finding, detail=detail)
