"""Parses one file as the product does and as the bare C loader does; prints seconds.

    python yaml_parse.py FILE ROUNDS

``bare`` is PyYAML's C loader as it is; ``bare, collector off`` the same without the
garbage collector, which the product pauses too.
"""

import gc
import json
import sys
import time
from pathlib import Path

import yaml

from pipeline.manifest.faults import Faults
from pipeline.manifest.source import parse_source


def parse_ours(data: bytes) -> None:
    faults = Faults("file.yaml")
    root, _ = parse_source(data, faults)
    assert root is not None, faults.all()


def parse_bare(data: bytes) -> None:
    assert yaml.load(data, yaml.CSafeLoader)


def parse_without_collector(data: bytes) -> None:
    gc.disable()
    try:
        parse_bare(data)
    finally:
        gc.enable()


WAYS = {
    "pipeline": parse_ours,
    "bare C loader": parse_bare,
    "bare, collector off": parse_without_collector,
}


def main(data: bytes, rounds: int) -> None:
    taken: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name, parse in WAYS.items():
            gc.collect()
            began = time.process_time()
            parse(data)
            taken[name].append(time.process_time() - began)
    print(json.dumps(taken))


if __name__ == "__main__":
    main(Path(sys.argv[1]).read_bytes(), int(sys.argv[2]))
