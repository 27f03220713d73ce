"""Bounded retries with jitter, and a circuit breaker that stops asking a remote place that doesn't answer.

A place that has answered in this process is waited for, since a short outage must not cost a compile twice. One that never
answered isn't: a laptop on a train plans at once.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, final

from neuronbuild.errors import StoreBusyError, StoreError, StoreOutageError

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = TypeVar("Answer")

FIRST_DELAY = 0.1
LONGEST_DELAY = 3.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Seconds to wait for a place that never answered, for one that did, and before one that is gone is asked again."""

    unknown: float = 2.0
    known: float = 30.0
    closed: float = 30.0


@final
class CircuitBreaker:
    """All requests to one place go through here."""

    def __init__(self, location: str, policy: RetryPolicy) -> None:
        self._location = location
        self._policy = policy
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
            except StoreError as error:
                self._note(error, time.monotonic() - started)
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
            self._closed_until = now + self._policy.closed

    def _note(self, error: StoreError, waited: float) -> None:
        """Decide whether to go on; raises if not."""
        if not isinstance(error, StoreOutageError | StoreBusyError):
            self._answered = True
            raise error
        is_busy = isinstance(error, StoreBusyError)
        cause = error if isinstance(error, StoreBusyError) else error.cause
        longest = self._policy.known if self._answered or is_busy else self._policy.unknown
        if self._closed_until or waited < longest:
            if self._closed_until:  # this was the one request that was let through
                raise StoreOutageError(self._location, cause) from None
            return
        if is_busy:
            raise error
        with self._lock:
            self._problem = cause
            self._closed_until = time.monotonic() + self._policy.closed
        raise StoreOutageError(self._location, cause) from None
