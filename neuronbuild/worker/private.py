"""A compiled file as it was verified: a copy without a name, so that no file can be swapped between the check and the load."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator

from .errors import UserError

CHUNK = 1 << 20


@contextlib.contextmanager
def private_copy(path: str, sha256: str) -> Iterator[str]:
    """The path of a copy that holds just the bytes of that SHA-256.

    Raises:
        UserError: the file holds others.
    """
    digest = hashlib.sha256()
    with open(path, "rb") as source, tempfile.TemporaryFile() as copy:
        for chunk in iter(lambda: source.read(CHUNK), b""):
            digest.update(chunk)
            copy.write(chunk)
        copy.flush()
        if digest.hexdigest() != sha256:
            raise UserError(path + " was altered while it was being checked: run the same command again")
        yield "/proc/self/fd/" + str(copy.fileno())
