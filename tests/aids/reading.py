"""Reads every folder of hostile files below the one named, each in a process of its own.

One line of JSON for each: what was raised, seconds of CPU and how many MB of memory it took.
"""

import gc
import json
import os
import resource
import sys
from pathlib import Path

from hostile_files import TABLE

from sirve.errors import UserError

root = Path(sys.argv[1])
for number, (name, row) in enumerate(TABLE.items()):
    if name.startswith("good"):  # what numba compiles of it once is not the file's
        if os.fork() == 0:
            row.read(root / str(number))
            os._exit(0)
        os.wait()
gc.freeze()  # a collection in each fork would go through all that was imported
for number, row in enumerate(TABLE.values()):
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        before, raised = resource.getrusage(resource.RUSAGE_SELF), None
        try:
            row.read(root / str(number))
        except UserError as error:
            raised = str(error)
        except BaseException as error:
            raised = f"{type(error).__name__}\n{error}"
        after = resource.getrusage(resource.RUSAGE_SELF)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(json.dumps([raised, seconds, (after.ru_maxrss - before.ru_maxrss) / 1024]))
        sys.stdout.flush()
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        print(json.dumps([f"ended with\n{code}", 0, 0]))
