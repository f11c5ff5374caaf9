"""Calls in the background, so that a hung W&B cannot block the run."""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any


class BackgroundQueue:
    """Runs calls in order on a daemon thread, until one of them fails.

    A daemon thread that hangs does not keep the process from ending. ``error`` is what a call
    raised, or None.
    """

    def __init__(self, name: str) -> None:
        self.error: BaseException | None = None
        self._open = True
        self._calls: SimpleQueue[Callable[[], Any] | threading.Event | None] = SimpleQueue()
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def put(self, call: Callable[[], Any]) -> None:
        """Add ``call`` to the end of the queue."""
        self._calls.put(call)

    def wait(self, seconds: float) -> None:
        """Wait until all calls so far are done, ``seconds`` at most for all of them together.

        Raises TimeoutError, and whatever a call raised.
        """
        done = threading.Event()
        self._calls.put(done)
        if not done.wait(seconds):
            raise TimeoutError(f"not done after {seconds:g} s")
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        """Skip the calls that are left, and end the thread."""
        self._open = False
        self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            if isinstance(call, threading.Event):
                call.set()
            elif self._open and self.error is None:
                try:
                    call()
                except BaseException as error:  # SystemExit too: it must not end this thread
                    self.error = error
