"""What a command waits for, in words: activity and progress → text. Pure."""

from pipeline.activity import Activity
from pipeline.cli.console.text import duration, one_line
from pipeline.counting import choose, plural
from pipeline.job import JobStatus
from pipeline.running.progress import Progress

_FAILING_S = 2.0  # a single lost request is no outage
_SILENT_S = 5.0  # an answer that takes longer is worth a word


def is_lost(activity: Activity) -> bool:
    """Whether the service has failed, or not answered at all, for some seconds."""
    return activity.failing_s >= _FAILING_S or activity.silent_s >= _SILENT_S


def phase_text(activity: Activity) -> str:
    """``asking for prices: 3 of 40 (pricing model_x)``; "" if there is none."""
    phase, request = activity.phase, activity.request_in_flight
    if not phase or not request:
        return phase or request
    return f"{phase} ({one_line(request, 60)})"


def outage_text(progress: Progress) -> str:
    """What is wrong with the connection, and that nothing is lost by it."""
    activity = progress.activity
    if activity.trouble:
        reason = one_line(activity.trouble, 200)
        fault = (
            "answers with an error" if activity.has_answered else "cannot be reached"
        )
        text = f"the service {fault}: {reason}; retrying"
    else:
        since = duration(activity.silent_s)
        request = one_line(activity.request_in_flight, 60)
        text = f"the service has not answered for {since} ({request}); still waiting"
    in_flight = progress.states[JobStatus.SUBMITTED]
    if in_flight:
        verb = choose(in_flight, "is", "are")
        text += f", {plural(in_flight, 'job')} in flight {verb} safe"
    return text


class OutageNews:
    """Tells once that the service does not answer, and once that it does again."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._began_s: float | None = None

    def find(self) -> str:
        """The news since the last call, or ""."""
        lost = is_lost(self._progress.activity)
        now_s = self._progress.clock.monotonic_s()
        if lost and self._began_s is None:
            activity = self._progress.activity
            self._began_s = now_s - max(activity.failing_s, activity.silent_s)
            return outage_text(self._progress)
        if not lost and self._began_s is not None:
            lasted = duration(now_s - self._began_s)
            self._began_s = None
            return f"the service answers again, after {lasted}"
        return ""
