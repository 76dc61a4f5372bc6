"""Decodes one page of the job listing with each library; prints pages a second.

python json_decode.py PAGE SPAN_S
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from pipeline.api import wire


def find_ways() -> dict[str, Callable[[bytes], object]]:
    ways: dict[str, Callable[[bytes], object]] = {
        "pipeline, page to records": lambda body: wire.parse_job_page(
            wire.parse_json(body)
        ),
        "msgspec": msgspec.json.decode,
        "json": json.loads,
    }
    try:
        import orjson  # noqa: PLC0415 - optional
    except ImportError:
        pass
    else:
        ways["orjson"] = orjson.loads
    return ways


def main(body: bytes, span_s: float) -> None:
    speeds: dict[str, float] = {}
    for name, decode in find_ways().items():
        count = 0
        began = time.process_time()
        while time.process_time() - began < span_s:
            decode(body)
            count += 1
        speeds[name] = count / (time.process_time() - began)
    print(json.dumps(speeds))


if __name__ == "__main__":
    main(Path(sys.argv[1]).read_bytes(), float(sys.argv[2]))
