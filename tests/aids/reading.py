"""Reads every folder of hostile files below the one named, in forks of this process.

Prints one line of JSON for each: what was raised, seconds of CPU and how many MB of memory it took.
A fork reads one folder after the other until one takes memory, as only a new fork forgets a peak,
or ends the fork.
"""

import gc
import json
import os
import resource
import sys
from pathlib import Path

from hostile_files import TABLE

from sirve.errors import UserError

ROOT = Path(sys.argv[1])
ROWS = list(TABLE.values())
LITTLE = 20  # MB


def read(number: int) -> float:
    """Read a folder, print its line, and return how many MB of memory it took."""
    before, raised = resource.getrusage(resource.RUSAGE_SELF), None
    try:
        ROWS[number].read(ROOT / str(number))
    except UserError as error:
        raised = str(error)
    except BaseException as error:
        raised = f"{type(error).__name__}\n{error}"
    after = resource.getrusage(resource.RUSAGE_SELF)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    memory = (after.ru_maxrss - before.ru_maxrss) / 1024
    print(json.dumps([raised, seconds, memory]), flush=True)
    return memory


def read_some(first: int) -> tuple[int, int]:
    """Read folders from ``first`` on in a fork; return how many were read, and its exit code."""
    ours, its = os.pipe()
    child = os.fork()
    if child == 0:
        for number in range(first, len(ROWS)):
            memory = read(number)
            os.write(its, b".")
            if memory > LITTLE:
                break
        os._exit(0)
    os.close(its)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with open(ours, "rb") as done:
        return len(done.read()), code


for number, name in enumerate(TABLE):
    if name.startswith("good"):  # what numba compiles of it once is not the file's
        if os.fork() == 0:
            ROWS[number].read(ROOT / str(number))
            os._exit(0)
        os.wait()
gc.freeze()  # a collection in each fork would go through all that was imported
number = 0
while number < len(ROWS):
    read_now, code = read_some(number)
    number += read_now
    if code:
        print(json.dumps([f"ended with\n{code}", 0, 0]), flush=True)
        number += 1
