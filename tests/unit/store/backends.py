"""Backends for tests: that of the worked example in docs/add-a-store.md, and one that fails on its way."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from neuronbuild.errors import StoreBusyError, StoreError, StoreOutageError
from neuronbuild.store.objects.backend import Backend
from tests.tools import example_store

_example: dict[str, type[Backend]] = {}
exec(example_store.blocks()[0], _example)


class MemoryBackend(_example["DictBackend"]):
    """The example's, with a location."""

    def __init__(self) -> None:
        super().__init__("dict://team")


REQUESTS = (
    "get", "receive", "head", "put", "delete", "copy", "list_page", "begin_upload", "put_part", "complete_upload",
    "abort_upload", "uploads",
)  # fmt: skip


def failing(backend: Backend, fails: Callable[[str, int], bool]) -> Backend:
    """A backend whose requests fail on demand, by kind and number: some before, some after they were carried out."""
    numbers = {verb: itertools.count() for verb in REQUESTS}

    def unreliable(verb: str):
        ask = getattr(backend, verb)

        def request(*asked):
            number = next(numbers[verb])
            if not fails(verb, number):
                return ask(*asked)
            if number % 2:
                ask(*asked)
                raise StoreOutageError(backend.location, StoreError(backend.location, "it can't be reached"))
            raise StoreBusyError(backend.location, "it wants to be asked more slowly")

        return request

    for verb in REQUESTS:
        setattr(backend, verb, unreliable(verb))
    return backend
