"""One item and its rows → the keys under which its request may be known. Pure.

Two requests are the same although their keys differ: one that pins the seed which was
derived before, and one whose result a person has accepted as that of another wording.
"""

from collections.abc import Iterator, Sequence

from pipeline.job import Item, Job, JobKey
from pipeline.manifest.review import ItemReview
from pipeline.models.schema import ModelSchema
from pipeline.planning.inputs import keys_of
from pipeline.planning.takes import digests_of

Keys = tuple[JobKey, JobKey]  # job key and request key


def find_aliases(
    item: Item,
    keys: Keys,
    attempts: Sequence[Job],
    *,
    schema: ModelSchema | None,
    review: ItemReview,
) -> Iterator[Keys]:
    """Further keys of rows that have made what the item asks for.

    Args:
        item: As the manifest has it.
        keys: Of its request.
        attempts: All rows of the item.
        schema: The inputs of its model; None if they are unknown.
        review: The decisions about it.
    """
    seed = item.params.get("seed")
    derived = [job for job in attempts if job.derived_seed and job.seed == seed]
    if derived and type(seed) is int:
        plain = {name: value for name, value in item.params.items() if name != "seed"}
        unpinned = set(keys_of(item.model_id, plain, schema))
        for job in derived:
            if not unpinned.isdisjoint({job.job_key, job.request_key}):
                yield job.job_key, job.request_key
    for kept in review.kept:
        if kept.take != item.take or kept.job_key not in keys:
            continue
        for job in attempts:
            made = digests_of(job)
            is_it = not made or not kept.sha256 or made == kept.sha256
            if job.job_key == kept.made_by and is_it:
                yield job.job_key, job.request_key
