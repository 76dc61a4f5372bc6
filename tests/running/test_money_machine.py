"""The money rule under any interleaving that Hypothesis can think of.

Submits that fail before or after the job was made, free calls that fail, strangers
with the same prompts, items that get other names, time that passes, kills at any await
and resumes, on a clock that the test holds. The invariants, after every step:

1. No item is ever paid for twice.
2. A job of the service belongs to one row at most, and never a stranger's to any.
3. A sidecar stands beside a whole asset, and what is SAVED has both.
4. While there is a limit, no more is spent.

And at the end, in peace: every item is SAVED, paid once, and nothing else is there.
"""

import shutil
import tempfile
from collections import Counter
from pathlib import Path

import anyio
from doubles.jobs import PRICE
from doubles.quick_clock import QuickClock
from doubles.watched_loop import WatchedLoop
from doubles.workshop import Workshop
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from pipeline.errors import (
    ExitCode,
    OutcomeUnknown,
    PipelineError,
    RateLimited,
    Unavailable,
    UnexpectedAnswer,
)

NAMES = ("oak", "elm", "fir", "yew")
NEW_NAMES = ("new-{}", "park/{}")  # nobody else's: an id that moves on is no rename
EVERY_NAME = (*NAMES, *(new.format(name) for name in NAMES for new in NEW_NAMES))
LIST_LAG_S = 3.0  # below the settling time, as the proof of absence supposes
MOST_POINTS = 120
MOST_RUNS = 20  # each may lose a submit that a person then has to decide about
FREE_CALLS = (
    "find_job",
    "list_jobs",
    "find_asset",
    "find_assets",
    "find_limits",
    "quote",
)
REFUSALS = st.sampled_from(
    [
        RateLimited("too many", ceiling=1),
        RateLimited("too fast", retry_after_s=4.0),
        Unavailable("no connection", request_left=False),
    ]
)
TROUBLES = st.sampled_from(
    [Unavailable("bad gateway", status=502), UnexpectedAnswer("not JSON")]
)


class MoneyMachine(RuleBasedStateMachine):
    """One manifest and one service; runs come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.loop = WatchedLoop()
        self.workshop = Workshop(self.folder, QuickClock())
        self.done = False
        self.ids = {name: name for name in NAMES}  # by prompt

    @initialize(
        count=st.integers(1, len(NAMES)),
        ceiling=st.integers(1, 3),
        readable=st.booleans(),
        lags=st.booleans(),
        affordable=st.none() | st.integers(0, 3),
    )
    def begin(
        self,
        count: int,
        ceiling: int,
        readable: bool,
        lags: bool,
        affordable: int | None,
    ) -> None:
        self.names = NAMES[:count]
        if affordable is not None:
            self.workshop.set(max_cost=affordable * PRICE)
        self._write()
        api = self.workshop.api
        api.ceiling = ceiling
        api.readable_ceiling = ceiling if readable else None
        api.duration_s = 2.0
        api.list_lag_s = LIST_LAG_S if lags else 0.0

    # --- what may go wrong ------------------------------------------------------

    @rule(after=st.booleans())
    def a_submit_will_be_lost(self, after: bool) -> None:
        error = OutcomeUnknown("no answer in time")
        self.workshop.api.fail_next("submit", error, after=after)

    @rule(error=REFUSALS)
    def a_submit_will_be_refused(self, error: PipelineError) -> None:
        self.workshop.api.fail_next("submit", error)

    @rule(method=st.sampled_from(FREE_CALLS), error=TROUBLES)
    def a_free_call_will_fail(self, method: str, error: PipelineError) -> None:
        self.workshop.api.fail_next(method, error)

    @rule(name=st.sampled_from(NAMES))
    def a_stranger_submits_the_same_prompt(self, name: str) -> None:
        self.workshop.api.add_job({"prompt": name, "seed": 7}, author_id="apiu_them")

    @rule(duration_s=st.sampled_from([0.5, 5.0, 60.0, 4000.0]))
    def time_passes(self, duration_s: float) -> None:
        self.workshop.clock.jump(duration_s)

    # --- what people do ---------------------------------------------------------

    @precondition(lambda self: not self.done)
    @rule(points=st.integers(1, MOST_POINTS))
    def a_run_is_killed(self, points: int) -> None:
        self._run(kill_at=points)

    @precondition(lambda self: not self.done)
    @rule()
    def a_run_is_left_alone(self) -> None:
        result = self._run()
        self.done = result is not None and result.exit_code is ExitCode.OK

    @precondition(lambda self: not self.done)
    @rule(name=st.sampled_from(NAMES), new=st.sampled_from(NEW_NAMES))
    def an_item_is_renamed(self, name: str, new: str) -> None:
        """Some other time perhaps back again; its prompt stays."""
        self.ids[name] = (
            name if self.ids[name] == new.format(name) else new.format(name)
        )
        self._write()

    @rule()
    def the_limit_goes(self) -> None:
        self.workshop.set(max_cost=None)

    # --- what has to hold -------------------------------------------------------

    @invariant()
    def the_limit_is_never_overstepped(self) -> None:
        limit = self.workshop.settings.max_cost
        assert limit is None or self.workshop.api.spent <= limit

    @invariant()
    def no_item_is_paid_for_twice(self) -> None:
        paid = self.workshop.api.paid_by_prompt()
        assert all(count == 1 for count in paid.values()), paid

    @invariant()
    def a_job_belongs_to_one_row_and_no_stranger_to_any(self) -> None:
        if not (self.workshop.output / "ledger.sqlite3").exists():
            return
        owned = Counter(
            job.remote_id
            for name in EVERY_NAME
            for job in self.workshop.attempts(name)
            if job.remote_id is not None
        )
        ours = {job.remote_id for job in self.workshop.api.own_jobs}
        assert all(count == 1 for count in owned.values()), owned
        assert set(owned) <= ours

    @invariant()
    def a_sidecar_stands_beside_a_whole_asset(self) -> None:
        files = self.workshop.files()
        for name in files:
            if name.endswith(".json"):
                assert name.removesuffix(".json") in files

    def _write(self) -> None:
        pairs = ((self.ids[name], name) for name in self.names)
        self.workshop.write(
            "items:\n" + "".join(f"  - {{id: {i}, prompt: {p}}}\n" for i, p in pairs)
        )

    def teardown(self) -> None:
        try:
            if hasattr(self, "names"):
                self._finish()
        finally:
            self.loop.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def _finish(self) -> None:
        self.workshop.api.mend(*FREE_CALLS, "submit")
        self.workshop.set(max_cost=None)
        for _ in range(MOST_RUNS):
            result = self._run()
            if result.exit_code is ExitCode.OK:
                break
            if result.exit_code is ExitCode.UNKNOWN_OUTCOME:
                self.no_item_is_paid_for_twice()
                self.workshop.decide()
        assert result.exit_code is ExitCode.OK
        assert self.workshop.api.paid_by_prompt() == dict.fromkeys(self.names, 1)
        expected = {f"{self.ids[name]}.png" for name in self.names}
        assert self.workshop.files() == expected | {f"{name}.json" for name in expected}
        assert self.workshop.partial_files() == []
        self.no_item_is_paid_for_twice()
        self.a_job_belongs_to_one_row_and_no_stranger_to_any()

    def _run(self, kill_at: int = 0):
        async def run():
            scope = anyio.CancelScope()
            passed = 0

            def count(_name: str) -> None:
                nonlocal passed
                passed += 1
                if passed == kill_at:
                    scope.cancel()

            self.workshop.on_point = count
            return await self.workshop.run(scope=scope)

        return self.loop.run_until_complete(run())


MoneyMachine.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestMoney = MoneyMachine.TestCase
