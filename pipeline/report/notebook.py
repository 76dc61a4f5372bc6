"""What a notebook shows of plans and results: a table with small pictures, as HTML.

Notebooks keep their output, so the pictures are in the HTML itself, and few. All text
is escaped.
"""

import base64
from collections.abc import Iterable, Sequence
from html import escape

from pipeline.assets.checks.png import NotAnImage
from pipeline.assets.thumbnail import can_draw, draw_thumbnail
from pipeline.record import Struct
from pipeline.storage.media_type import HEAD_SIZE_BYTES, media_type_of
from pipeline.storage.store import NamedContent

MOST_ROWS = 50
MOST_PICTURES = 4  # in one row
_PICTURE_PX = 96
_LONGEST_CELL = 300  # in characters
_CELL = "text-align:left;vertical-align:top;white-space:pre-wrap"


class Row(Struct, frozen=True, kw_only=True):
    """One row of a table.

    Attributes:
        cells: Its texts, as many as the table has columns.
        pictures: Files to show, if they are pictures.
    """

    cells: tuple[str, ...]
    pictures: tuple[NamedContent, ...] = ()


def render_table(
    title: str, columns: Sequence[str], rows: Iterable[Row], *, total: int
) -> str:
    """A table as HTML.

    Args:
        title: The sentence above it.
        columns: The heads of the columns; the pictures come before them.
        rows: The rows; at most ``MOST_ROWS`` are shown.
        total: How many rows there are.
    """
    head = "".join(f'<th style="{_CELL}">{escape(one)}</th>' for one in ("", *columns))
    body = "".join(
        _row_html(row) for row, _ in zip(rows, range(MOST_ROWS), strict=False)
    )
    more = f"<p>… and {total - MOST_ROWS:,} more</p>" if total > MOST_ROWS else ""
    return (
        f"<p>{escape(title)}</p><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>{more}"
    )


def render_progress(*, done: int, total: int, text: str, lines: Sequence[str]) -> str:
    """A bar with a text beside it, and lines below.

    Args:
        done: How much is done.
        total: Of how much.
        text: What is beside the bar.
        lines: Such as the latest failures.
    """
    below = "".join(f"<div>{escape(line)}</div>" for line in lines)
    return (
        f'<div><progress value="{done}" max="{max(total, 1)}"'
        ' style="width:20em;vertical-align:middle"></progress>'
        f' <span role="status">{escape(text)}</span></div>{below}'
    )


def _row_html(row: Row) -> str:
    cells = "".join(
        f'<td style="{_CELL}">{escape(_cut(one))}</td>' for one in row.cells
    )
    shown = (_picture_html(one) for one in row.pictures[:MOST_PICTURES])
    return f"<tr><td>{''.join(shown)}</td>{cells}</tr>"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_CELL else text[:_LONGEST_CELL] + "…"


def _picture_html(picture: NamedContent) -> str:
    data = _small_picture(picture)
    if not data:
        return ""
    source = f"data:image/webp;base64,{base64.b64encode(data).decode()}"
    name = escape(picture.name, quote=True)
    return f'<img src="{source}" alt="{name}" title="{name}" style="margin:1px">'


def _small_picture(picture: NamedContent) -> bytes:
    """The picture of a file as WebP; nothing if it is not there, or no picture."""
    try:
        with picture.open("rb") as file:
            media_type = media_type_of(file.read(HEAD_SIZE_BYTES))
            if not can_draw(media_type):
                return b""
            file.seek(0)
            return draw_thumbnail(file, media_type, edge_px=_PICTURE_PX)
    except (NotAnImage, OSError):
        return b""
