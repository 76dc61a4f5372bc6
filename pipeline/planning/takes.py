"""The takes of one item and the decisions about them → the chosen one, and the stems.

The chosen take has the item's own name; the others have names with a number.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pipeline.job import Job
from pipeline.ledger.ledger import Ledger
from pipeline.manifest.review import ItemReview, Verdict
from pipeline.naming import numbered_stem, split_take, take_id, wanted_path
from pipeline.record import Struct

_NOUNS = {"chosen": "choice", "approved": "approval", "rejected": "rejection"}


class Take(Struct, frozen=True, kw_only=True):
    """One take that an item wants.

    Attributes:
        number: From 1.
        made: The attempt that made it, SAVED; None if its files are not known.
        finished: The newest job with files of each step that follows it.
        is_paid: Whether it is paid for, so that its files will be those decided about.
        is_selected: Whether this command applies to it.
    """

    number: int
    made: Job | None = None
    finished: tuple[Job, ...] = ()
    is_paid: bool = False
    is_selected: bool = True


class Layout(Struct, frozen=True, kw_only=True):
    """Where the files of an item's takes belong.

    Attributes:
        base_id: The item's id.
        chosen: The job id of the chosen take.
        stems: Job id → stem, for every take that is wanted or has rows.
        line: The item's line in the manifest.
        chosen_output: With ``choose: one``, the number of the chosen output; else 0.
        misplaced: The jobs whose files have to move.
    """

    base_id: str
    chosen: str
    stems: Mapping[str, str]
    line: int
    chosen_output: int = 0
    misplaced: frozenset[str] = frozenset()


def digests_of(job: Job, output: int = 0) -> tuple[str, ...]:
    """The SHA-256 of a job's files as the service made them, in their order.

    How they are saved does not change them, so decisions outlive a change of ``save``.

    Args:
        job: SAVED.
        output: The number of one output, or 0 for all of them.
    """
    return tuple(
        asset.content_sha256
        for asset in job.assets
        if output in {0, asset.output_index}
    )


def counts(verdict: Verdict, take: Take) -> bool:
    """Whether a decision is about the bytes that the take has, or will have."""
    if not verdict.sha256:
        return True  # its files were not known when it was brought back
    made = () if take.made is None else (take.made,)
    known = [job for job in (*made, *take.finished) if job.assets]
    return stands(verdict, known) if known else take.is_paid


def stands(verdict: Verdict, made: Sequence[Job]) -> bool:
    """Whether a decision is about the newest files of a take, whatever is asked now.

    Args:
        verdict: The decision: about the files of the take, or about those that the
            last step has made of them.
        made: The newest job with files of the take, and of each step that follows it.
    """
    return not made or any(
        digests_of(job, verdict.output) == verdict.sha256 for job in made
    )


def newest_made(attempts: Iterable[Job]) -> Job | None:
    """The newest job with files, or None.

    Args:
        attempts: All rows of a job id, newest first.
    """
    return next((job for job in attempts if job.assets), None)


def find_finished(ledger: Ledger, base_id: str) -> tuple[Job, ...]:
    """The newest job with files of each step that follows an item."""
    steps = ledger.find_step_ids(base_id)
    made = (newest_made(ledger.find_jobs_of(step)) for step in steps)
    return tuple(job for job in made if job is not None)


def choose(
    review: ItemReview, takes: Sequence[Take], *, chooses: bool = False
) -> tuple[int, int]:
    """The chosen take: the picked one, else the first that is not rejected.

    Args:
        review: The decisions about the item.
        takes: Those that it wants, at least one, sorted by number.
        chooses: Whether each output of a job is a take of its own.

    Returns:
        The number of the take, and that of the output or 0.
    """
    by_number = {take.number: take for take in takes}
    picked = review.picked
    take = None if picked is None else by_number.get(picked.take)
    if picked is not None and take is not None and counts(picked, take):
        return picked.take, (picked.output or 1) if chooses else 0
    rejected = {
        (verdict.take, verdict.output)
        for verdict in review.rejected
        if verdict.take in by_number and counts(verdict, by_number[verdict.take])
    }
    every = [
        (take.number, output)
        for take in takes
        for output in (_outputs_of(take) if chooses else (0,))
    ]
    left = [one for one in every if rejected.isdisjoint({one, (one[0], 0)})]
    return left[0] if left else every[0]


def _outputs_of(take: Take) -> Sequence[int]:
    if take.made is None or not take.made.assets:
        return (1,)
    return [asset.output_index for asset in take.made.assets]


def find_stale(
    base_id: str, review: ItemReview, takes: Sequence[Take]
) -> Iterator[str]:
    """A sentence for each decision that counts no longer."""
    by_number = {take.number: take for take in takes}
    for word, verdict in review.verdicts():
        take = by_number.get(verdict.take)
        if take is None or counts(verdict, take):
            continue
        why = "is made again" if take.made is None else "has other bytes now"
        yield (
            f"the {_NOUNS[word]} of take {_label(verdict)} of {base_id} counts no"
            f" longer: it {why}"
        )


def _label(verdict: Verdict) -> str:
    output = f"-{verdict.output}" if verdict.output else ""
    return f"{verdict.take}{output}"


def lay_out(
    base_id: str,
    review: ItemReview,
    takes: Sequence[Take],
    jobs: Mapping[str, Sequence[Job]],
    *,
    line: int,
    has_steps: bool = False,
    chooses: bool = False,
) -> Layout:
    """Decide under which stem the files of each take belong.

    As long as the chosen take has no files, the others keep their names: a file at the
    item's own name goes only when another takes its place.

    Args:
        base_id: The item's id.
        review: The decisions about it.
        takes: Those that it wants, at least one, sorted by number.
        jobs: By job id: the attempts of every take that is wanted or has rows.
        line: The item's line in the manifest.
        has_steps: Whether steps follow: then the last of them has the item's name.
        chooses: Whether each output of a job is a take of its own.
    """
    number, output = choose(review, takes, chooses=chooses)
    chosen = take_id(base_id, number)
    stems = {
        job_id: base_id
        if job_id == chosen and not has_steps
        else numbered_stem(base_id, split_take(job_id)[1])
        for job_id in jobs
    }
    made = next(take.made for take in takes if take.number == number)
    misplaced = frozenset(
        job_id
        for job_id, attempts in jobs.items()
        if made is not None and _are_misplaced(attempts, job_id, stems[job_id], output)
    )
    return Layout(
        base_id=base_id,
        chosen=chosen,
        stems=stems,
        line=line,
        chosen_output=output,
        misplaced=misplaced,
    )


def _are_misplaced(
    attempts: Sequence[Job], job_id: str, stem: str, chosen_output: int
) -> bool:
    for job in attempts:
        for asset in job.assets:
            wanted = wanted_path(
                asset.path,
                job_id,
                stem,
                output=asset.output_index,
                count=len(job.assets),
                chosen_output=chosen_output,
            )
            if wanted not in {None, asset.path}:
                return True
    return False
