"""The emulator in a process of its own, shared by all peers of one benchmark.

Commands go down its stdin as JSON lines, answers come up its stdout, so that nothing
of ours is counted among the requests. It ends when its stdin does.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

SERVE = Path(__file__).parent / "children" / "serve.py"
END_LIMIT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedJob:
    """One job as the service knows it.

    Attributes:
        number: Of the item, from its prompt.
        created: When it was accepted, seconds since 1970.
        ended: When it ended.
        asset_ids: What it made.
    """

    number: int
    created: float
    ended: float
    asset_ids: tuple[str, ...]

    @property
    def duration_s(self) -> float:
        """How long it took."""
        return self.ended - self.created


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What one peer asked for, by the service's own count.

    Attributes:
        jobs: In the order in which they were accepted.
        requests: To the API, the CDN left out.
        refusals: Requests that were answered with 429.
        downloads: Requests to the CDN.
    """

    jobs: tuple[ServedJob, ...]
    requests: int
    refusals: int
    downloads: int


class Service:
    """The emulator's process, as a context manager.

    Args:
        pictures: ``tiny``: what the emulator paints, at 16 pixels; ``one``: one
            painted picture of each size, again and again; ``noise``: the same, but of
            random pixels, which no compression makes smaller; ``different``: those,
            with another comment in each.
    """

    def __init__(self, *, pictures: str = "tiny") -> None:
        self._pictures = pictures
        self.base_url = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, str(SERVE), self._pictures],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(END_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def renew(
        self,
        profile: Mapping[str, object],
        changes: Sequence[tuple[float, Mapping[str, object]]] = (),
    ) -> None:
        """Forget everything and answer to this profile; the process stays.

        Args:
            profile: Knobs of the emulator.
            changes: Seconds after the first submit, and knobs of slots and pace that
                are set then.
        """
        command = {"renew": dict(profile), "changes": list(changes)}
        self.base_url = self._ask(command)["base_url"]

    def read_counters(self) -> Counters:
        """What has happened since :meth:`renew`."""
        answer = self._ask({"counters": True})
        requests: dict[str, int] = answer["requests"]
        answers: dict[str, int] = answer["answers"]
        downloads = requests.pop("cdn", 0)
        return Counters(
            jobs=tuple(
                ServedJob(
                    number=number,
                    created=created_ms / 1000,
                    ended=ended_ms / 1000,
                    asset_ids=tuple(asset_ids),
                )
                for number, created_ms, ended_ms, asset_ids in answer["jobs"]
            ),
            requests=sum(requests.values()),
            refusals=sum(
                count for name, count in answers.items() if name.endswith(" 429")
            ),
            downloads=downloads,
        )

    def _ask(self, command: Mapping[str, object]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the emulator's process has ended")
        return json.loads(line)
