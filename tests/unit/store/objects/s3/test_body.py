from __future__ import annotations

import io

import pytest
from botocore.exceptions import ResponseStreamingError

from neuronbuild.store.objects.s3.body import S3Body


class Raw(io.BytesIO):
    """What http.client hands over: closed once it was read to its end."""

    def readinto(self, block):
        count = super().readinto(block)
        if self.tell() == len(self.getvalue()):
            self.close()
        return count

    def isclosed(self):
        return self.closed


class Response:
    def __init__(self, raw) -> None:
        self._fp = raw
        self.done: list[str] = []

    def release_conn(self) -> None:
        self.done.append("used again")

    def close(self) -> None:
        self.done.append("closed")


def read(response: Response, size: int) -> bytes:
    with S3Body(response) as body:
        block = bytearray(size)
        return bytes(block[: body.readinto(memoryview(block))])


def test_a_connection_is_used_again_if_its_answer_was_read_to_the_end():
    part, all_of_it = Response(Raw(b"bytes")), Response(Raw(b"bytes"))
    assert read(part, 2) == b"by"
    assert read(all_of_it, 9) == b"bytes"
    assert (part.done, all_of_it.done) == (["closed"], ["used again", "closed"])


def test_a_lost_connection_is_one_of_the_librarys_errors():
    class Lost(Raw):
        def readinto(self, block):
            raise ConnectionResetError("reset")

    response = Response(Lost(b"bytes"))
    with pytest.raises(ResponseStreamingError, match="reset"):
        read(response, 5)
    assert response.done == ["closed"]
