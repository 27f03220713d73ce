"""Patience with a place that is far away: bounded retries with jitter, and a breaker that stops asking when it is gone.

A place that has answered in this process is waited for, since a short outage must not cost a compile twice. One that never
answered isn't: a laptop on a train plans at once.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, final

from neuronbuild.errors import StoreOutageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from neuronbuild.errors import StoreError

Answer = TypeVar("Answer")

FIRST_DELAY = 0.1
LONGEST_DELAY = 3.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a failed request means: the error to raise in the end, and whether to ask again.

    `outage`: the place didn't answer, or can't for now. `busy`: it answered that it wants to be asked more slowly.
    Neither: the answer is final.
    """

    error: StoreError
    outage: bool = False
    busy: bool = False


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds to wait for a place that never answered, for one that did, and before one that is gone is asked again."""

    unknown: float = 2.0
    known: float = 30.0
    closed: float = 30.0


@final
class Breaker:
    """All requests to one place go through here."""

    def __init__(self, location: str, patience: Patience, explain: Callable[[Exception], Trouble | None]) -> None:
        self._location = location
        self._patience = patience
        self._explain = explain
        self._lock = threading.Lock()
        self._answered = False
        self._closed_until = 0.0
        self._problem: StoreError | None = None

    def call(self, request: Callable[[], Answer]) -> Answer:
        """What a request gives, in the end.

        Raises:
            StoreOutageError: the place is gone; for a while this is said without asking it.
            StoreError: its answer was final.
        """
        self._pass()
        started = time.monotonic()
        delay = FIRST_DELAY
        while True:
            try:
                answer = request()
            except Exception as error:
                trouble = self._explain(error)
                if trouble is None:
                    raise
                self._note(trouble, time.monotonic() - started)
            else:
                self._answered = True
                self._closed_until = 0.0
                return answer
            time.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 (jitter)
            delay = min(2 * delay, LONGEST_DELAY)

    def _pass(self) -> None:
        """Let a request through, unless the place is known to be gone; after a while, one to find out."""
        with self._lock:
            if self._problem is None or not self._closed_until:
                return
            now = time.monotonic()
            if now < self._closed_until:
                raise StoreOutageError(self._location, self._problem)
            self._closed_until = now + self._patience.closed

    def _note(self, trouble: Trouble, waited: float) -> None:
        """Decide whether to go on; raises if not."""
        if not trouble.outage and not trouble.busy:
            self._answered = True
            raise trouble.error from None
        longest = self._patience.known if self._answered or trouble.busy else self._patience.unknown
        if self._closed_until or waited < longest:
            if self._closed_until:  # this was the one request that was let through
                raise StoreOutageError(self._location, trouble.error) from None
            return
        if trouble.busy:
            raise trouble.error from None
        with self._lock:
            self._problem = trouble.error
            self._closed_until = time.monotonic() + self._patience.closed
        raise StoreOutageError(self._location, trouble.error) from None
