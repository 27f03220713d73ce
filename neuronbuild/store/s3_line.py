"""The way to one bucket: patient, in the dialect of its server, and able to tell one object's trouble from the bucket's.

A server that doesn't hand one object out says so much as it would of a bucket that may not be read, or that isn't there: where
its answer leaves that open, the bucket is asked for the start of its listing.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from neuronbuild.store.retry import Breaker
from neuronbuild.store.s3_answers import ABSENT, DENIED, code_of, is_of_object, may_be_of_object, said
from neuronbuild.store.s3_client import Connection
from neuronbuild.store.s3_dialect import adapted
from neuronbuild.store.s3_faults import Explainer

if TYPE_CHECKING:
    from collections.abc import Callable

    from neuronbuild.store.retry import Answer, Patience
    from neuronbuild.store.s3_location import S3Location

logger = logging.getLogger(__name__)


@final
class Line:
    """Requests to one bucket, each tried as often as makes sense. Every method may raise `StoreError`."""

    def __init__(self, where: S3Location, patience: Patience) -> None:
        self._where = where
        self._lock = threading.Lock()
        self._explain = Explainer(where)
        self._breaker = Breaker(where.text, patience, self._explain)
        self._refused: dict[str, str] = {}
        self._told: set[str] = set()
        self._is_there = False
        try:
            self._session = boto3.session.Session(profile_name=where.profile)
            self._connection = Connection(where, self._session)
        except (BotoCoreError, ValueError) as error:
            trouble = self._explain(error)
            raise (trouble.error if trouble else error) from None
        self._explain.unsigned = self._connection.dialect.unsigned

    def call(self, request: Callable[[Connection], Answer]) -> Answer:
        """What a request gives. One that is refused for how it was asked is asked again in another way."""

        def attempt() -> Answer:
            while True:
                connection = self._connection
                try:
                    return request(connection)
                except ClientError as error:
                    if not self._follow(connection, error):
                        raise

        return self._breaker.call(attempt)

    def read(self, key: str, request: Callable[[Connection], Answer]) -> Answer | None:
        """What a request for an object gives, or `None` if there is no such object, or the server doesn't hand it out."""

        def attempt(connection: Connection) -> Answer | None:
            try:
                return request(connection)
            except ClientError as error:
                if not self._is_of_object(connection, key, error):
                    raise
            return None

        return self.call(attempt)

    def refusal(self, key: str) -> str | None:
        """What was said when an object was asked for in vain: whatever else is said of it, it counts as missing."""
        return self._refused.get(key)

    def note_put(self, key: str) -> None:
        """An object was put: the one that was refused is gone."""
        self._refused.pop(key, None)

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
        self._note_refused(key, error)
        return True

    def _look_at_bucket(self, connection: Connection, tolerated: frozenset[str] = frozenset()) -> None:
        try:
            connection.list(Prefix=self._where.prefix, MaxKeys=1)
        except ClientError as error:
            if code_of(error) not in tolerated:
                raise
        self._is_there = True

    def _note_refused(self, key: str, error: ClientError) -> None:
        with self._lock:
            self._refused[key] = said(error)
            is_new = code_of(error) not in self._told
            self._told.add(code_of(error))
        if is_new:
            text = "store %s: %s isn't handed out (%s): such objects count as missing"
            logger.warning(text, self._where.text, key, said(error))
