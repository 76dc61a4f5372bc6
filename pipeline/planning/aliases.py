"""One item and its rows → the keys of results that were accepted for it. Pure.

Requests whose keys differ have the same result where a person has accepted that of
another wording.
"""

from collections.abc import Iterator, Sequence

from pipeline.job import Item, Job, JobKey
from pipeline.manifest.review import ItemReview
from pipeline.naming import is_step
from pipeline.planning.takes import digests_of

Keys = tuple[JobKey, JobKey]  # job key and request key


def find_aliases(
    item: Item,
    keys: Keys,
    attempts: Sequence[Job],
    *,
    review: ItemReview,
) -> Iterator[Keys]:
    """Further keys of rows that have made what the item asks for.

    Args:
        item: As the manifest has it.
        keys: Of its request.
        attempts: All rows of the item.
        review: The decisions about it.
    """
    for kept in review.kept:
        # A step follows whichever take is chosen, so its key alone tells it.
        is_its_take = kept.take == item.take or is_step(item.item_id)
        if not is_its_take or kept.job_key not in keys:
            continue
        for job in attempts:
            made = digests_of(job)
            is_it = not made or not kept.sha256 or made == kept.sha256
            if job.job_key == kept.made_by and is_it:
                yield job.job_key, job.request_key
