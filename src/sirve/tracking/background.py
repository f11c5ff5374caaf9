"""Calls that nobody may have to wait for: made one after another in a thread of their own."""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any


class Aside:
    """A thread that makes the calls it is given, in order, until one of them fails.

    A daemon: one that hangs keeps no process from ending.
    """

    def __init__(self, name: str) -> None:
        self.error: BaseException | None = None
        self._open = True
        self._calls: SimpleQueue[Callable[[], Any] | threading.Event | None] = SimpleQueue()
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def do(self, call: Callable[[], Any]) -> None:
        """Make this call after those before it."""
        self._calls.put(call)

    def settle(self, seconds: float) -> None:
        """Wait for all calls so far, ``seconds`` at most, however many they are.

        Raises TimeoutError, and what a call raised.
        """
        settled = threading.Event()
        self._calls.put(settled)
        if not settled.wait(seconds):
            raise TimeoutError(f"not done after {seconds:g} s")
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        """Make no further call, and end the thread."""
        self._open = False
        self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            if isinstance(call, threading.Event):
                call.set()
            elif self._open and self.error is None:
                try:
                    call()
                except BaseException as error:  # SystemExit, too: this is no thread to exit from
                    self.error = error
