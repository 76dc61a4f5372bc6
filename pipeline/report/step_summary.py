"""Outcomes of items → the summary of a step on GitHub, in Markdown. Pure.

What failed comes first. Pictures that a run has just made cannot be shown: GitHub
removes ``data:`` URLs, and the files are nowhere else yet. Shown are the pictures that
troubled items are made from, if they are committed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from pipeline.record import Struct
from pipeline.report.markdown import code, inert, table, thumbnail
from pipeline.report.outcomes import TROUBLES, WORDS, ItemOutcome, Outcomes

_ROWS = 100
_PICTURES = 40
_FILES_SHOWN = 3
_PROGRAM = "pipeline"


class ManifestRow(Struct, frozen=True, kw_only=True):
    """One of several manifests of a run.

    Attributes:
        name: Its name.
        counts: Its items by status.
        charged: Compute units that its run was charged.
        exit_code: Of its run.
    """

    name: str
    counts: Mapping[str, int]
    charged: Decimal
    exit_code: int


def summary_lines(
    outcomes: Outcomes,
    *,
    name: str,
    facts: Sequence[str],
    next_steps: Sequence[str],
    is_ok: bool,
    urls: Mapping[str, str],
    manifests: Sequence[ManifestRow] = (),
) -> Iterator[str]:
    """The lines of the summary.

    Args:
        outcomes: The items of the run.
        name: The manifest's name, or how many there are.
        facts: What is said below the heading: folder, units, duration. Foreign text in
            it is inert.
        next_steps: Commands, each with what it is for before it; the first one first.
        is_ok: Whether the exit code is 0.
        urls: Addresses of pictures by their paths; others are not shown.
        manifests: If there are several: each of them.
    """
    said = _counted(outcomes.counts) or "nothing was done"
    yield f"### {_sign(is_ok=is_ok)} {code(name)}: {said}"
    yield ""
    yield " · ".join(facts)
    yield ""
    if manifests:
        yield from table(["", "Manifest", "Items", "Units"], map(_manifest, manifests))
        yield ""
    for problem in outcomes.problems[:_ROWS]:
        where = f"{code(str(problem.place))}: " if problem.place else ""
        yield f"- {where}{code(problem.message)}"
        if problem.hint:
            yield f"  - next: {code(problem.hint)}"
    if outcomes.problems:
        yield ""
    for step in next_steps:
        yield f"Next: {_step_text(step)}"
        yield ""
    yield from _troubles(outcomes, urls)
    yield from _reviews(outcomes)
    yield from _made(outcomes)


def _sign(*, is_ok: bool) -> str:
    return "✅" if is_ok else "❌"


def _counted(counts: Mapping[str, int]) -> str:
    """``2 failed, 30 saved``; "" if there is nothing to count."""
    order = (*TROUBLES, "not_submitted", "saved")
    parts = (f"{counts[one]:,} {WORDS[one]}" for one in order if counts.get(one))
    return ", ".join(parts)


def _manifest(row: ManifestRow) -> list[str]:
    sign = _sign(is_ok=row.exit_code == 0)
    return [sign, code(row.name), _counted(row.counts), f"{row.charged:f}"]


def _step_text(step: str) -> str:
    """``why: pipeline VERB …``, of which the command alone is code, to be copied."""
    why, mark, command = step.rpartition(f": {_PROGRAM} ")
    text = code(f"{_PROGRAM} {command}" if mark else step, 600)
    return f"{inert(why)}: {text}" if mark else text


def _troubles(outcomes: Outcomes, urls: Mapping[str, str]) -> Iterator[str]:
    pictures_left = _PICTURES
    for status in TROUBLES:
        kept = outcomes.troubled.get(status, [])
        if not kept:
            continue
        yield f"#### {outcomes.counts[status]:,} {WORDS[status]}"
        yield ""
        shown = kept[:_ROWS]
        rows = []
        for one in shown:
            known = [urls[path] for path in one.pictures if path in urls]
            pictures = known[: min(pictures_left, 2)]
            pictures_left -= len(pictures)
            rows.append(_row(one, pictures))
        has_pictures = any(row[-1] for row in rows)
        head = ["Item", "Where", "Why", "Next", "Made from"]
        columns = len(head) if has_pictures else len(head) - 1
        yield from table(head[:columns], (row[:columns] for row in rows))
        yield from _more(outcomes.counts[status] - len(shown))
        yield ""


def _row(one: ItemOutcome, pictures: Iterable[str]) -> list[str]:
    return [
        code(one.item_id),
        code(str(one.place)),
        code(one.reason),
        code(one.hint),
        " ".join(map(thumbnail, pictures)),
    ]


def _reviews(outcomes: Outcomes) -> Iterator[str]:
    if not outcomes.reviews:
        return
    yield f"#### {outcomes.review_count:,} to look at"
    yield ""
    shown = outcomes.reviews[:_ROWS]
    rows = ([code(one.item_id), code(one.review)] for one in shown)
    yield from table(["Item", "Why"], rows)
    yield from _more(outcomes.review_count - len(shown))
    yield ""


def _made(outcomes: Outcomes) -> Iterator[str]:
    if not outcomes.made:
        return
    count = outcomes.made_count
    yield f"<details><summary>{count:,} made by this run</summary>"
    yield ""
    rows = (
        [code(one.item_id), _files(one), f"{one.charged:f}"] for one in outcomes.made
    )
    yield from table(["Item", "Files", "Units"], rows)
    yield from _more(count - len(outcomes.made))
    yield ""
    yield "</details>"
    yield ""


def _files(one: ItemOutcome) -> str:
    shown = [code(name) for name in one.files[:_FILES_SHOWN]]
    more = len(one.files) - len(shown)
    return " ".join([*shown, *([f"and {more:,} more"] if more else [])])


def _more(count: int) -> Iterator[str]:
    if count > 0:
        yield ""
        yield f"… and {count:,} more"
