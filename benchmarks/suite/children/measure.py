"""Runs one command and writes down what it took; small, so as not to be measured.

    python -I -S measure.py RESULT LIMIT_S COMMAND [ARGUMENT]...

A process begins with the peak memory of the one that starts it, hence this one, which
imports next to nothing. After ``LIMIT_S`` the command is killed.
"""

import os
import signal
import sys
import time


def main(result: str, limit_s: float, command: list[str]) -> None:
    began = time.time()
    started = time.perf_counter()
    pid = os.posix_spawnp(command[0], command, os.environ)

    def kill(_number: int, _frame: object) -> None:
        os.kill(pid, signal.SIGKILL)

    signal.signal(signal.SIGALRM, kill)
    signal.signal(signal.SIGTERM, kill)
    signal.signal(signal.SIGINT, kill)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    _, status, usage = os.wait4(pid, 0)
    figures = (
        os.waitstatus_to_exitcode(status),
        time.perf_counter() - started,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss,
        began,
    )
    with open(result, "w", encoding="ascii") as file:  # noqa: PTH123 - imports little
        file.write(" ".join(map(repr, figures)))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), sys.argv[3:])
