"""An interpreter with the whole of ``pipeline`` imported, which forks for each command.

Run as a program. An order is one message on the socket that is its stdin: a JSON object
(arguments, folder, environment), and four descriptors: stdin, stdout, stderr, and a pipe
that tells the process id and, at the end, the return code, a line each.
"""

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pipeline

LONGEST_ORDER_BYTES = 2**20
ENTERED = signal.Signals.SIGCHLD, signal.Signals.SIGINT  # the server's own handlers

_reports: dict[int, int] = {}  # process id to the pipe that waits for its return code


def import_all() -> None:
    """Import what a command imports, the late imports too."""
    for module in pkgutil.walk_packages(pipeline.__path__, "pipeline."):
        if module.name != "pipeline.__main__":
            importlib.import_module(module.name)
    for name in ("PIL.PngImagePlugin", "anyio._backends._asyncio", "coverage"):
        importlib.import_module(name)


def reap(*_: object) -> None:
    """Report the return code of each process that has ended."""
    for process_id in [*_reports]:
        ended, status = os.waitpid(process_id, os.WNOHANG)
        if ended:
            report = _reports.pop(process_id)
            with contextlib.suppress(BrokenPipeError):  # nobody waits any more
                os.write(report, b"%d\n" % os.waitstatus_to_exitcode(status))
            os.close(report)


def serve(orders: socket.socket) -> bool:
    """Fork for each order until there are no more; True in a process made for one."""
    while True:
        order, descriptors, _, _ = socket.recv_fds(orders, LONGEST_ORDER_BYTES, 4)
        if not order:
            return False
        process_id = os.fork()
        if process_id == 0:
            orders.close()
            become(json.loads(order), descriptors)
            return True
        *given, report = descriptors
        for descriptor in given:
            os.close(descriptor)
        _reports[process_id] = report
        os.write(report, b"%d\n" % process_id)
        reap()  # it may have ended before it was known


def become(order: dict[str, Any], descriptors: list[int]) -> None:
    """Make this process what a new interpreter would be at ``python -m pipeline``."""
    for number in ENTERED:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for report in _reports.values():
        os.close(report)
    for target, descriptor in enumerate(descriptors[:3]):
        os.dup2(descriptor, target)
    for descriptor in descriptors:
        os.close(descriptor)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    time.tzset()
    # The one module that reads the environment when it is imported.
    importlib.reload(sys.modules["pipeline.fault_points"])
    sys.path[0] = str(Path.cwd())
    sys.argv = ["pipeline", *order["arguments"]]
    sys.modules["coverage"].process_startup()


if __name__ == "__main__":
    import_all()
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: meant for pytest
    signal.signal(signal.SIGCHLD, reap)
    if serve(socket.socket(fileno=os.dup(0))):
        runpy.run_module("pipeline", run_name="__main__", alter_sys=True)
