"""SIGTERM, SIGUSR1 and Ctrl-C: stop at once, or during training between two updates.

Slurm sends SIGTERM before it kills, and the signal that ``--signal`` names before a time limit.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
STOPPED = 75  # exit code EX_TEMPFAIL: stopped by a signal, the same command resumes

_received: int | None = None
_deferred = False


class Interrupted(BaseException):
    """Raised when a signal asks the command to stop; ``except Exception`` does not catch it."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum

    @property
    def code(self) -> int:
        """Exit code: 75, or 130 for Ctrl-C."""
        return 130 if self.signum == signal.SIGINT else STOPPED


@contextmanager
def handled() -> Iterator[None]:
    """Raise Interrupted in the main thread at the first signal; end the process at a second one.

    Outside the main thread, where Python does not allow it, nothing is installed.
    """
    global _received
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _handle) for number in SIGNALS}
    try:
        yield
    finally:
        _received = None
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def deferred() -> Iterator[None]:
    """Only note the first signal, for ``received()``, while this context lasts."""
    global _deferred
    before, _deferred = _deferred, True
    try:
        yield
    finally:
        _deferred = before


def received() -> int | None:
    """Return the number of the signal that has arrived, or None."""
    return _received


def end_with_parent(parent: int | None = None) -> None:
    """End this process soon after its parent has ended, for whatever reason.

    ``parent`` is the parent's process id, for a parent that may have ended already.
    """
    alive = os.getppid() if parent is None else parent

    def watch() -> None:
        while os.getppid() == alive:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def blocked() -> Iterator[None]:
    """Block signals until this context ends, and in all processes started within it.

    SIGUSR1 and Ctrl-C are sent to all processes of a job, but only the first one decides.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def unblock_sigterm() -> None:
    """Unblock SIGTERM in a worker that was started under ``blocked()``."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def ignore() -> None:
    """Ignore SIGUSR1 and Ctrl-C in a helper process: only the first process of a job decides."""
    for number in (signal.SIGUSR1, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def _handle(number: int, _frame: FrameType | None) -> None:
    global _received
    if _received is not None:
        os._exit(128 + number)
    _received = number
    if not _deferred:
        threading.excepthook = _silent
        raise Interrupted(number)


def _silent(_: object) -> None:
    """Print nothing for threads that manage processes: the main thread prints one line."""
