"""Slots: in no order of events is a wake-up or a slot lost."""

from functools import partial

import anyio
from doubles.quick_clock import QuickClock
from doubles.watched_loop import WatchedLoop
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.stages.slots import Slots

ANSWERS = {
    "accept": lambda slots: slots.accepted(),
    "refuse": lambda slots: slots.refused(ceiling=None),
    "name": lambda slots: slots.refused(ceiling=2),
    "cool": lambda slots: slots.refused(ceiling=None, wait_s=3.0),
    "unused": lambda slots: slots.unused(),
}
STEPS = st.lists(
    st.sampled_from(
        ["wait", "first", "retire", "occupy", "cancel", "pass", *sorted(ANSWERS)]
    ),
    max_size=40,
)


class Play:
    """A model that counts what the slots should know."""

    def __init__(self, max_jobs, posts) -> None:
        self.clock = QuickClock()
        self.max_jobs = max_jobs
        self.slots = Slots(self.clock, first=2, posts=posts, max_jobs=max_jobs)
        self.unanswered = self.in_flight = self.served = self.cancelled = 0
        self.waiting: dict[int, anyio.CancelScope] = {}

    async def wait(self, name, *, first_in_line):
        with anyio.CancelScope() as self.waiting[name]:
            await self.slots.wait_for_slot(first_in_line=first_in_line)
            del self.waiting[name]
            self.served += 1
            self.unanswered += 1

    def answer(self, kind):
        self.unanswered -= 1
        self.in_flight += kind == "accept"
        ANSWERS[kind](self.slots)

    def retire(self):
        self.in_flight -= 1
        self.slots.retired()

    def do(self, step):
        if step in ANSWERS and self.unanswered:
            self.answer(step)
        elif step == "retire" and self.in_flight:
            self.retire()
        elif step == "occupy":
            self.in_flight += 1
            self.slots.occupy()
        elif step == "cancel" and self.waiting:
            self.waiting.pop(min(self.waiting)).cancel()
            self.cancelled += 1

    def check(self, held_before, served_before, step):
        now = self.slots.statistics()
        assert now.in_flight == self.in_flight
        assert now.held >= self.in_flight + self.unanswered
        assert now.limit >= 1
        assert self.max_jobs is None or now.limit <= self.max_jobs
        if self.served > served_before and step != "occupy":
            assert now.held <= max(now.limit, held_before)

    async def end(self):
        """Everything ends; who waits must come to its turn."""
        for _ in range(200):
            while self.unanswered:
                self.answer("unused")
            while self.in_flight:
                self.retire()
            await self.clock.advance(60)
            if not self.waiting and not self.unanswered:
                return


async def play(steps, max_jobs, posts):
    game = Play(max_jobs, posts)
    async with anyio.create_task_group() as tasks:
        for number, step in enumerate(steps):
            held, served = game.slots.statistics().held, game.served
            if step in {"wait", "first"}:
                first = step == "first"
                tasks.start_soon(partial(game.wait, number, first_in_line=first))
            elif step == "pass":
                await game.clock.advance(7)
            else:
                game.do(step)
            await game.clock.settle()
            game.check(held, served, step)
        await game.end()
        assert not game.waiting
        waited = sum(step in {"wait", "first"} for step in steps)
        assert game.served + game.cancelled == waited
        assert game.slots.statistics().held == 0


@settings(max_examples=60)
@given(steps=STEPS, max_jobs=st.sampled_from([None, 1, 3]), posts=st.integers(1, 4))
def test_no_order_of_events_loses_a_wake_up_or_a_slot(steps, max_jobs, posts):
    options = {"loop_factory": WatchedLoop}
    anyio.run(play, steps, max_jobs, posts, backend_options=options)
