"""A job in, the jobs that appear beside it in the list though nobody here sent them.

Children of workflows are jobs of the same author; other people of the project use
the same models. They cost this client nothing and take no slot: what they are for is
to be taken for ours by mistake.
"""

from collections.abc import Iterator
from dataclasses import replace

from pipeline.emulator.identity import make_id, random_of
from pipeline.emulator.jobs import EmulatedJob
from pipeline.emulator.profile import EmulatorProfile

STRANGER = "stranger"


def neighbours_of(
    job: EmulatedJob, first_number: int, profile: EmulatorProfile
) -> Iterator[EmulatedJob]:
    """The jobs that appear beside a new one.

    Args:
        job: It; what appears has its model and inputs.
        first_number: Number of the first of them.
        profile: How many appear, and its seed.
    """
    chance = random_of(profile.seed, "neighbours", job.number)
    is_child = chance.random() < profile.workflow_child_rate
    is_stranger = chance.random() < profile.stranger_rate
    if is_child:
        workflow = make_id("job", profile.seed, "workflow", job.number)
        child = _beside(job, first_number, profile)
        yield replace(child, workflow_job_id=workflow)
        first_number += 1
    if is_stranger:
        stranger = _beside(job, first_number, profile)
        yield replace(stranger, author_id=make_id("apiu", STRANGER))


def _beside(job: EmulatedJob, number: int, profile: EmulatorProfile) -> EmulatedJob:
    job_id = make_id("job", profile.seed, number)
    assets = range(len(job.asset_ids))
    return replace(
        job,
        number=number,
        job_id=job_id,
        asset_ids=tuple(make_id("asset", job_id, index) for index in assets),
        is_ours=False,
    )
