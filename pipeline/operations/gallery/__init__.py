"""The gallery: manifest, ledger and output folder → a page's records, and its files.

``collector`` gathers the records and writes nothing; ``writer`` makes a folder that
opens from disk. What a URL leads to is decided by a :class:`Links`.
"""

from pipeline.operations.gallery.collector import Collector
from pipeline.operations.gallery.links import Links, ShownFile
from pipeline.operations.gallery.page_options import PageOptions
from pipeline.operations.gallery.writer import (
    Written,
    write_gallery,
    write_gallery_shown,
)

__all__ = [
    "Collector",
    "Links",
    "PageOptions",
    "ShownFile",
    "Written",
    "write_gallery",
    "write_gallery_shown",
]
