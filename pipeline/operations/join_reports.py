"""JUnit reports of shards → one report. Other XML files are left alone."""

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.output.names import MARKS_OF_OUTPUT
from pipeline.storage.atomic_file import write_beside

_ROOTS = frozenset({"testsuites", "testsuite"})
_COUNTS = ("tests", "failures", "errors", "skipped")
_MOST_BYTES = 1 << 28


def find_reports(places: Iterable[Path]) -> list[Path]:
    """XML files in these folders, sorted in each; not those of output folders.

    Args:
        places: Folders such as artifacts of CI. Where one is an output folder itself,
            the files right beside it are meant.
    """
    found: list[Path] = []
    for place in places:
        is_output = any((place / name).exists() for name in MARKS_OF_OUTPUT)
        files = place.parent.glob("*.xml") if is_output else _walk(place)
        found += sorted(path for path in files if path.is_file())
    return list(dict.fromkeys(found))


def _walk(place: Path) -> Iterator[Path]:
    for path in place.rglob("*.xml"):
        inside = [one for one in path.parents if one.is_relative_to(place)]
        if not any((one / name).exists() for one in inside for name in MARKS_OF_OUTPUT):
            yield path


def join_reports(reports: Iterable[Path], target: Path) -> int:
    """Write one JUnit report with the test suites of several.

    Args:
        reports: XML files; those that are no JUnit reports are left out.
        target: The file to write.

    Returns:
        How many reports were joined.

    Raises:
        UsageError: A file is not XML.
        OutputError: The target cannot be written.
    """
    root = ET.Element("testsuites")
    joined = 0
    for path in reports:
        if path.resolve() == target.resolve():
            continue
        suites = list(_read_suites(path))
        root.extend(suites)
        joined += bool(suites)
    for name in _COUNTS:
        total = sum(int(suite.get(name) or 0) for suite in root)
        root.set(name, str(total))
    times = [float(suite.get("time") or 0) for suite in root]
    root.set("time", f"{sum(times):.3f}")
    ET.indent(root)
    write_beside(target, ET.tostring(root, encoding="utf-8", xml_declaration=True))
    return joined


def _read_suites(path: Path) -> Iterator[ET.Element]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UsageError(f"{path} is too large for a report")
        root = ET.parse(path).getroot()  # noqa: S314 - of the user's own CI
    except (ET.ParseError, OSError) as error:
        raise UsageError(
            f"{path} cannot be read as a JUnit report: {error}",
            hint="remove the file, or leave --junit out",
        ) from error
    if root.tag == "testsuite":
        yield root
    elif root.tag in _ROOTS:
        yield from root.iter("testsuite")
