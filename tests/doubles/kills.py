"""Runs that are killed on purpose."""

import anyio

from pipeline.running.events import JobChanged


async def run_until_status(workshop, status):
    """A run that is killed once a job has this status."""
    scope = anyio.CancelScope()

    async def watch(_run):
        while not any(
            isinstance(event, JobChanged) and event.status is status
            for event in workshop.events
        ):
            await workshop.clock.sleep(0.1)
        scope.cancel()

    await workshop.run(scope=scope, meanwhile=watch)


async def run_killed_at(workshop, kill_at):
    """How many await points it passed."""
    scope, passed = anyio.CancelScope(), 0

    def count(_name: str) -> None:
        nonlocal passed
        passed += 1
        if passed == kill_at:
            scope.cancel()

    workshop.on_point = count
    await workshop.run(scope=scope)
    workshop.on_point = lambda _name: None
    return passed


async def run_until_point(workshop, point):
    """A run that is killed at this point."""
    scope = anyio.CancelScope()
    workshop.on_point = lambda name: scope.cancel() if name == point else None
    await workshop.run(scope=scope)
    workshop.on_point = lambda _name: None


class Cut:
    """Cancels at the k-th point that is passed."""

    def __init__(self, number):
        self.left = number
        self.scope = anyio.CancelScope()

    def __call__(self, _name):
        self.left -= 1
        if self.left == 0:
            self.scope.cancel()
