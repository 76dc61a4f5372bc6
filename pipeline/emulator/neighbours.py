"""Jobs that appear in the list although no client of the emulator submitted them.

Workflows start child jobs under the same author, and other people of the project use
the same models. Such jobs cost this client nothing and take no slot. They are here so
that a client which mistakes them for its own is found out.
"""

from collections.abc import Iterator
from dataclasses import replace

from pipeline.emulator.identity import make_id, random_of
from pipeline.emulator.jobs import EmulatedJob
from pipeline.emulator.profiles.jobs import JobsProfile

STRANGER = "stranger"


def neighbours_of(
    job: EmulatedJob, first_number: int, jobs: JobsProfile, seed: int
) -> Iterator[EmulatedJob]:
    """The jobs that appear next to a new one, with its model and inputs.

    Args:
        job: The new job.
        first_number: The number of the first of them.
        jobs: How often they appear.
        seed: The emulator's seed.
    """
    chance = random_of(seed, "neighbours", job.number)
    has_child = chance.random() < jobs.workflow_child_rate
    has_stranger = chance.random() < jobs.stranger_rate
    if has_child:
        workflow = make_id("job", seed, "workflow", job.number)
        child = _copy_of(job, first_number, seed)
        yield replace(child, workflow_job_id=workflow)
        first_number += 1
    if has_stranger:
        stranger = _copy_of(job, first_number, seed)
        yield replace(stranger, author_id=make_id("apiu", STRANGER))


def _copy_of(job: EmulatedJob, number: int, seed: int) -> EmulatedJob:
    job_id = make_id("job", seed, number)
    assets = range(len(job.asset_ids))
    return replace(
        job,
        number=number,
        job_id=job_id,
        asset_ids=tuple(make_id("asset", job_id, index) for index in assets),
        is_ours=False,
    )
