"""The way to one bucket: in the dialect of its server, and able to tell one object's trouble from the bucket's.

A server that doesn't hand one object out says so much as it would of a bucket that may not be read, or that isn't there: where
its answer leaves that open, the bucket is asked for the start of its listing.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, TypeVar, final

from botocore.exceptions import BotoCoreError, ClientError

from neuronbuild.store.objects.s3.answers import ABSENT, DENIED, code_of, is_of_object, may_be_of_object, said
from neuronbuild.store.objects.s3.client import Connection, open_session
from neuronbuild.store.objects.s3.dialect import adapted
from neuronbuild.store.objects.s3.faults import Explainer

if TYPE_CHECKING:
    from collections.abc import Callable

    from neuronbuild.store.objects.s3.location import S3Location

Answer = TypeVar("Answer")

logger = logging.getLogger(__name__)

ARCHIVED_SAYS = "it is archived, and would have to be restored first"


@final
class Line:
    """Requests to one bucket, each tried once. Every method may raise `StoreError`."""

    def __init__(self, where: S3Location) -> None:
        self._where = where
        self._lock = threading.Lock()
        self._explain = Explainer(where)
        self.refused: dict[str, str] = {}
        """What was said of objects that aren't handed out, by their names without the prefix."""
        self._told: set[str] = set()
        self._is_there = False
        try:
            self._session = open_session(where)
            self._connection = Connection(where, self._session)
        except (BotoCoreError, ValueError) as error:
            raise (self._explain(error) or error) from None
        self._explain.unsigned = self._connection.dialect.unsigned

    def call(self, request: Callable[[Connection], Answer]) -> Answer:
        """What a request gives. One that is refused for how it was asked is asked again in another way."""
        while True:
            connection = self._connection
            try:
                return request(connection)
            except Exception as error:
                if isinstance(error, ClientError) and self._follow(connection, error):
                    continue
                explained = self._explain(error)
                if explained is None:
                    raise
                raise explained from None

    def read(self, key: str, request: Callable[[Connection], Answer]) -> Answer | None:
        """What a request for an object gives, or `None` if there is no such object, or the server doesn't hand it out."""

        def attempt(connection: Connection) -> Answer | None:
            try:
                answer = request(connection)
            except ClientError as error:
                if not self._is_of_object(connection, key, error):
                    raise
                return None
            self.note_put(key)
            return answer

        return self.call(attempt)

    def note_put(self, key: str) -> None:
        """An object was put, or handed out: if one was refused, it is gone."""
        self.refused.pop(self._name(key), None)

    def note_archived(self, key: str) -> None:
        """An object would have to be restored before it could be read."""
        self._note(key, "archived", ARCHIVED_SAYS)

    def _name(self, key: str) -> str:
        return key.removeprefix(self._where.prefix)

    def _follow(self, connection: Connection, error: ClientError) -> bool:
        """Change the dialect as a refusal asks; false if it is about something else."""
        with self._lock:
            if self._connection is not connection:
                return True  # another thread has changed it meanwhile
            dialect = adapted(connection.dialect, self._where, connection.client.meta.endpoint_url, error)
            if dialect is not None:
                self._connection = Connection(self._where, self._session, dialect)
        return dialect is not None

    def _is_of_object(self, connection: Connection, key: str, error: ClientError) -> bool:
        """Whether an answer is about one object alone.

        Raises:
            ClientError: another one, which says what is wrong with the bucket.
        """
        if adapted(connection.dialect, self._where, connection.client.meta.endpoint_url, error) is not None:
            return False
        if code_of(error) in ABSENT:
            if code_of(error).isdigit() and not self._is_there:  # a bucket that isn't there looks like this, too
                self._look_at_bucket(connection, tolerated=DENIED)
            return True
        if not is_of_object(error):
            if not may_be_of_object(error):
                return False
            self._look_at_bucket(connection)
        self._note(key, code_of(error), said(error))
        return True

    def _look_at_bucket(self, connection: Connection, tolerated: frozenset[str] = frozenset()) -> None:
        try:
            connection.list(Prefix=self._where.prefix, MaxKeys=1)
        except ClientError as error:
            if code_of(error) not in tolerated:
                raise
        self._is_there = True

    def _note(self, key: str, kind: str, why: str) -> None:
        """Keep what is said of an object that isn't handed out; told once for each kind of reason."""
        with self._lock:
            self.refused[self._name(key)] = why
            is_new = kind not in self._told
            self._told.add(kind)
        if is_new:
            text = "store %s: %s isn't handed out (%s): such objects count as missing"
            logger.warning(text, self._where.text, key, why)
