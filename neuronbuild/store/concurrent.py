"""Doing the same with many things, several at a time, so that an error is told without doing the rest first."""

from __future__ import annotations

from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Item = TypeVar("Item")
Result = TypeVar("Result")


def do_each(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    at_a_time: int,
    name: str,
    stop: Callable[[], None] = lambda: None,
) -> list[Result]:
    """What a function gives for each of some things, in their order.

    The first error, or Ctrl-C, ends it: nothing is begun any more, and what is under way is waited for, once `stop` was called,
    which may end it sooner.
    """
    with ThreadPoolExecutor(at_a_time, thread_name_prefix=name) as pool:
        begun = [pool.submit(work, item) for item in items]
        try:
            wait(begun, return_when=FIRST_EXCEPTION)
            return _results(begun)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            stop()
            raise


def _results(begun: list[Future[Result]]) -> list[Result]:
    """What all came to, or the first error there is: others may not be done."""
    for error in filter(None, (each.exception() for each in begun if each.done())):
        raise error
    return [each.result() for each in begun]
