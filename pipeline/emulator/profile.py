"""Everything about the service that the emulator can be told, with a default for each.

Each fact that the service contract marks as a guess, and that changes what a client
must do, is one field of one record. A profile is data: the emulator reads it and never
changes it.
"""

import dataclasses
import difflib
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Self

from pipeline.emulator.profiles.assets import AssetsProfile
from pipeline.emulator.profiles.cdn import CdnProfile
from pipeline.emulator.profiles.jobs import JobsProfile
from pipeline.emulator.profiles.limits import LimitsProfile
from pipeline.emulator.profiles.listing import ListingProfile
from pipeline.emulator.profiles.money import MoneyProfile
from pipeline.emulator.profiles.uploads import UploadsProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorProfile:
    """How one emulator behaves.

    The fields of the records have distinct names, so a profile can be made from one
    flat list: ``EmulatorProfile.of(ceiling=4, failure_rate=0.1)``.

    Attributes:
        seed: Determines ids, durations, failures and faults. None draws a new seed at
            each start; a state file keeps the one it was made with.
        hang_s: How long a fault that hangs holds the connection before it closes.
        answer_delay_s: The wait before every answer of /v1.
        date_skew_s: How far the ``Date`` header differs from the service's own time.
        limits: Access, the plan, and the limits on requests and jobs.
        money: Balance, prices, charges and refunds.
        jobs: Which submits become jobs, and what becomes of them.
        listing: How jobs are shown.
        assets: How assets are shown.
        cdn: How files are served.
        uploads: How files are uploaded.
    """

    seed: int | None = None
    hang_s: float = 600.0
    answer_delay_s: float = 0.0
    date_skew_s: float = 0.0
    limits: LimitsProfile = field(default_factory=LimitsProfile)
    money: MoneyProfile = field(default_factory=MoneyProfile)
    jobs: JobsProfile = field(default_factory=JobsProfile)
    listing: ListingProfile = field(default_factory=ListingProfile)
    assets: AssetsProfile = field(default_factory=AssetsProfile)
    cdn: CdnProfile = field(default_factory=CdnProfile)
    uploads: UploadsProfile = field(default_factory=UploadsProfile)

    @classmethod
    def of(cls, **values: Any) -> Self:
        """The defaults, with these values, by the names of the fields.

        Raises:
            TypeError: There is no such field; the text names the closest one.
        """
        return cls().replace(**values)

    def replace(self, **values: Any) -> Self:
        """This profile with other values, by the names of the fields.

        Raises:
            TypeError: There is no such field; the text names the closest one.
        """
        _check_names(values, self.flat())
        changes: dict[str, Any] = {}
        for item in fields(self):
            current = getattr(self, item.name)
            if is_dataclass(current) and not isinstance(current, type):
                names = {inner.name for inner in fields(current)} & values.keys()
                inner_changes = {name: values[name] for name in names}
                changes[item.name] = dataclasses.replace(current, **inner_changes)
            elif item.name in values:
                changes[item.name] = values[item.name]
        return dataclasses.replace(self, **changes)

    def flat(self) -> dict[str, object]:
        """Every field of the profile and of its records, by name."""
        values: dict[str, object] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if is_dataclass(value):
                values |= {
                    inner.name: getattr(value, inner.name) for inner in fields(value)
                }
            else:
                values[item.name] = value
        return values


def _check_names(values: dict[str, Any], known: dict[str, object]) -> None:
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            guess = f"; did you mean '{near[0]}'?" if near else ""
            raise TypeError(f"an emulator profile has no field '{name}'{guess}")
