"""Verify: finds missing, changed, broken and stray files in an output folder.

Changes nothing.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

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
from pipeline.record import Struct

_THREADS = 4


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


def verify(output: Path) -> Iterator[Verified]:
    """Compare every asset with its sidecar and decode it; then list stray files.

    Args:
        output: An output folder.

    Yields:
        One record per file: assets, then damaged sidecars, then strays, each sorted by
        path.
    """
    files = sorted(
        path.relative_to(output).as_posix()
        for path in output.rglob("*")
        if path.is_file() or path.is_symlink()
    )
    assets: dict[str, Asset] = {}
    explained: set[str] = set()
    damaged: list[Verified] = []
    there = set(files)
    of_galleries = find_gallery_files(files, output)
    for name in files:
        if not name.endswith(SIDECAR_SUFFIX) or is_own(name) or name in of_galleries:
            continue
        if name + SIDECAR_SUFFIX in there:
            continue  # an asset that is JSON
        asset_name = name.removesuffix(SIDECAR_SUFFIX)
        try:
            job = load_sidecar(output, asset_name)
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
    with ThreadPoolExecutor(_THREADS) as pool:
        yield from pool.map(lambda asset: _verify_one(output, asset), assets.values())
    yield from damaged
    explained |= of_galleries
    for name in files:
        if not is_own(name) and name not in explained:
            yield Verified(path=name, finding=Finding.STRAY)


def _verify_one(output: Path, asset: Asset) -> Verified:
    finding, detail = check_recorded(output, asset)
    if finding is Finding.OK:
        try:
            check_content(output / asset.path, asset.media_type)
        except Damaged as error:
            finding, detail = Finding.BROKEN, str(error)
    return Verified(path=asset.path, finding=finding, detail=detail)
