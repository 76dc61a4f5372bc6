"""Reading: an in-doubt submit and the mark before it."""

from doubles.rows import FakeRows

from pipeline.job import Job, JobKey, Mark, RemoteId
from pipeline.stages.reading import sent_of, sents_of


def job(number: int, mark_id: int | None) -> Job:
    key = JobKey("k")
    return Job(
        item_id=f"item-{number}",
        attempt=1,
        job_key=key,
        request_key=key,
        model_id="model_x",
        mark_id=mark_id,
    )


class CountingRows(FakeRows):
    """Rows that count how often a mark is read."""

    reads = 0

    def find_mark(self, mark_id: int) -> Mark | None:
        self.reads += 1
        return super().find_mark(mark_id)


def test_submits_that_share_a_mark_read_it_once_and_share_its_ids():
    mark = Mark(mark_id=1, created_at=None, listed=(RemoteId("job_1"),))
    rows = CountingRows(marks={1: mark})

    sent = [*sents_of([job(number, 1) for number in range(500)], rows)]

    assert rows.reads == 1
    assert {id(one.listed) for one in sent} == {id(sent[0].listed)}
    assert [one.job.item_id for one in sent][-1] == "item-499"
    assert sent[0].mark is mark


def test_a_submit_of_an_older_version_has_no_mark():
    rows = CountingRows()

    sent = sent_of(job(1, None), rows)

    assert (sent.mark, sent.listed, rows.reads) == (None, frozenset(), 0)
