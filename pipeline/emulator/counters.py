"""What the emulator's owner may know and no client can: counts of what happened."""

from collections import Counter
from dataclasses import dataclass, field, fields


@dataclass(slots=True, kw_only=True)
class Counters:
    """Counts since this emulator was started.

    Attributes:
        requests: Requests by class of endpoints, such as ``poll``.
        answers: Answers by class of endpoints and status, such as ``poll 200``.
        faults: Injected faults, by name.
        submits_received: Requests to create a job, whatever their outcome.
        quotes_received: Dry runs.
        dry_runs_in_body: Submits with ``dryRun`` in the body, which are paid for.
        credentials_at_cdn: Requests to the CDN that carried an Authorization header.
        credentials_at_parts: The same for the URLs of upload parts.
        most_in_flight: The highest number of custom jobs at one time.
        user_agents: Requests by ``User-Agent``.
    """

    requests: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    submits_received: int = 0
    quotes_received: int = 0
    dry_runs_in_body: int = 0
    credentials_at_cdn: int = 0
    credentials_at_parts: int = 0
    most_in_flight: int = 0
    user_agents: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, object]:
        """Every count by its name."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {
            name: dict(value) if isinstance(value, Counter) else value
            for name, value in values.items()
        }
