"""Desk: what the server asks of one manifest, and the records of the requests."""

from typing import Annotated, Any, Literal, Protocol

from msgspec import Meta

from pipeline.record import Struct
from pipeline.report.review.feed import Feed
from pipeline.report.review.files import ServedFile

ItemId = Annotated[str, Meta(min_length=1, max_length=1000)]
Number = Annotated[int, Meta(ge=0, le=1_000_000)]
Text = Annotated[str, Meta(max_length=10_000)]
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Word = Literal["chosen", "approved", "rejected", "note", "none"]


class Decision(Struct, frozen=True, kw_only=True):
    """``POST decisions``: a decision about a take.

    Attributes:
        item: The id of the item.
        take: The number of the take, from 1.
        output: The number of the output with ``choose: one``; else 0.
        word: What is decided; ``none`` takes a decision back.
        note: A text, or "".
        sha256: The digests of the original files that the user sees.
        version: The version of the review file that the page shows.
    """

    item: ItemId
    take: Number
    output: Number = 0
    word: Word
    note: Text = ""
    sha256: Annotated[tuple[Digest, ...], Meta(max_length=1000)]
    version: Annotated[str, Meta(max_length=100)]


class PriceRequest(Struct, frozen=True, kw_only=True):
    """``POST price``: what would another take in the place of this one cost?"""

    item: ItemId
    take: Number


class RedoRequest(Struct, frozen=True, kw_only=True):
    """``POST redo``: make another take in the place of this one, for this price.

    Attributes:
        item: The id of the item.
        take: The number of the take.
        quote: What ``POST price`` gave; it is good for one redo.
        units: The price that the user agreed to.
    """

    item: ItemId
    take: Number
    quote: Annotated[str, Meta(max_length=100)]
    units: float


class Desk(Protocol):
    """One manifest that is served. Every error is a ``Refused``."""

    @property
    def name(self) -> str:
        """The manifest's name."""

    @property
    def feed(self) -> Feed:
        """What has changed."""

    @property
    def can_edit(self) -> bool:
        """Whether decisions are taken."""

    @property
    def can_spend(self) -> bool:
        """Whether takes may be made again."""

    async def page(self) -> bytes:
        """``index.html``."""

    async def data_script(self) -> bytes:
        """``data.js``: the newest data of the page."""

    def find_file(self, name: str) -> ServedFile | None:
        """A file of the gallery by its name in the URL, or None."""

    async def thumbnail(self, name: str) -> bytes | None:
        """A WebP picture by its name in the URL, or None."""

    async def decide(self, decision: Decision) -> dict[str, Any]:
        """Write a decision; the item as it is now, and the version."""

    async def price(self, request: PriceRequest) -> dict[str, Any]:
        """What a redo would cost, what is left, and a quote."""

    async def redo(self, request: RedoRequest) -> dict[str, Any]:
        """Reserve the price, and start the redo in the background."""
