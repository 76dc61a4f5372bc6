"""The decisions about takes → how the page shows them, and what an export needs."""

from collections.abc import Iterator, Mapping, Sequence

from pipeline.manifest.review import ItemReview, Review
from pipeline.manifest.review_file import render_decision
from pipeline.naming import is_step
from pipeline.report.gallery.data import (
    GalleryDecision,
    GalleryReview,
    GalleryVerdict,
)
from pipeline.running.items import ItemRecord, JobRecord


def find_decisions(record: ItemRecord, one: JobRecord) -> Iterator[GalleryDecision]:
    """The decisions about a take that are about the bytes that it has now."""
    if is_step(one.job_id):  # it has the number of its take
        return
    for word, verdict in record.verdicts_on(one):
        yield GalleryDecision(
            word=word,
            output=verdict.output,
            by=verdict.by,
            at=verdict.at,
            note=verdict.note,
        )


def show_review(
    review: Review, records: Sequence[ItemRecord]
) -> Mapping[str, GalleryReview]:
    """What a review file has, by item id; a renamed item under its new one."""
    renamed = {
        record.item.decided_as: record.item_id
        for record in records
        if record.item.decided_as
    }
    return {
        renamed.get(item_id, item_id): GalleryReview(
            verdicts=tuple(_verdicts(found)),
            added=tuple(map(render_decision, found.added)),
            kept=tuple(map(render_decision, found.kept)),
        )
        for item_id, found in review.items.items()
    }


def _verdicts(review: ItemReview) -> Iterator[GalleryVerdict]:
    for word, one in review.verdicts():
        yield GalleryVerdict(
            word="picked" if word == "chosen" else word,  # as the file has it
            take=one.take,
            output=one.output,
            sha256=one.sha256,
            by=one.by,
            at=one.at,
            note=one.note,
        )
