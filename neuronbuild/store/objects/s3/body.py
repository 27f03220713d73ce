"""The body of an answer, read from the connection itself: boto3's own stream copies every byte three times."""

from __future__ import annotations

from http.client import HTTPException
from typing import TYPE_CHECKING, Any, final

from botocore.exceptions import ResponseStreamingError

if TYPE_CHECKING:
    from types import TracebackType


@final
class S3Body:
    """urllib3's response within a context. A connection is used again if its answer was read to the end, else closed."""

    def __init__(self, response: Any) -> None:  # noqa: ANN401 (urllib3's response)
        self._response = response

    def __enter__(self) -> S3Body:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None and self._response._fp.isclosed():  # noqa: SLF001 (urllib3 hasn't seen the end)
            self._response.release_conn()
        self._response.close()

    def readinto(self, block: memoryview, /) -> int:
        """Read some bytes into a block.

        Raises:
            ResponseStreamingError: the connection is lost.
        """
        try:
            return self._response._fp.readinto(block)  # type: ignore[no-any-return]  # noqa: SLF001 (botocore's time limit holds)
        except (OSError, HTTPException) as error:
            raise ResponseStreamingError(error=error) from error
