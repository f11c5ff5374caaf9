"""SIGTERM, SIGUSR1 and Ctrl-C: stop at once, or while training between two steps.

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
STOPPED = 75  # exit code, EX_TEMPFAIL: stopped by a signal, the same command goes on

_received: int | None = None
_deferred = False


class Interrupted(BaseException):
    """A signal asked the command to stop; no ``except Exception`` on the way keeps it from that."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum

    @property
    def code(self) -> int:
        """Exit code: 75, or 130 for Ctrl-C."""
        return 130 if self.signum == signal.SIGINT else STOPPED


@contextmanager
def handled() -> Iterator[None]:
    """The first signal raises Interrupted where the main thread is; a second one ends the process.

    Nothing is installed outside the main thread, where Python does not allow it.
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
    """Meanwhile the first signal is only noted: ``received()`` tells."""
    global _deferred
    before, _deferred = _deferred, True
    try:
        yield
    finally:
        _deferred = before


def received() -> int | None:
    """The number of the signal that came, if one has."""
    return _received


def end_with_parent(parent: int | None = None) -> None:
    """End this process soon after the one that started it, however that ended.

    ``parent`` is its number, where it may have ended already.
    """
    alive = os.getppid() if parent is None else parent

    def watch() -> None:
        while os.getppid() == alive:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def spared() -> Iterator[None]:
    """Signals come when this ends, and never to processes that are started meanwhile.

    SIGUSR1 and Ctrl-C go to all of a job, and the one that leads decides.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def heed() -> None:
    """In a process that was spared: it can be ended by SIGTERM all the same."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def ignore() -> None:
    """For a process that helps: signals go to all of a job, and the one that leads decides."""
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
    """Of threads that manage processes, when these end with this one: it is told in one line."""
