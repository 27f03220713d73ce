"""Listings of a bucket, to their end, whatever a server makes of pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from neuronbuild.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from neuronbuild.store.s3_client import Connection
    from neuronbuild.store.s3_line import Line


ENDLESS = "its listing doesn't come to an end"
AS_S3 = "use a server that lists as S3 does"


class _Position(NamedTuple):
    """Where the next page begins: after a key, and by a token where the server gives one."""

    after: str = ""
    token: str = ""


def list_keys(line: Line, prefix: str, location: str) -> Iterator[dict[str, Any]]:
    """What a server says of each object below a prefix, once each.

    Raises:
        StoreError: it can't be listed, or the listing has no end.
    """
    position, seen = _Position(), {_Position()}
    while True:
        page = line.call(lambda connection: _page(connection, prefix, position))  # noqa: B023 (called at once)
        found = [entry for entry in page.get("Contents", ()) if entry["Key"].startswith(prefix)]
        yield from (entry for entry in found if entry["Key"] != position.after)
        if not page.get("IsTruncated"):
            return
        last = page.get("NextMarker") or (found[-1]["Key"] if found else position.after)
        position = _Position(last, page.get("NextContinuationToken", ""))
        if position in seen:
            raise StoreError(location, ENDLESS, hint=AS_S3)
        seen.add(position)


def list_uploads(line: Line, prefix: str, location: str) -> Iterator[dict[str, Any]]:
    """What a server says of each upload in parts that is under way below a prefix, once each.

    Raises:
        StoreError: they may not be listed, or the listing has no end.
    """
    asked, seen = {"Prefix": prefix}, set[tuple[str, str]]()
    while True:
        page = line.call(lambda connection: connection.list_uploads(**asked))
        found = {(each["Key"], each["UploadId"]): each for each in page.get("Uploads", ())}
        yield from (each for name, each in found.items() if name not in seen and name[0].startswith(prefix))
        if not page.get("IsTruncated"):
            return
        if seen.issuperset(found):
            raise StoreError(location, ENDLESS, hint=AS_S3)
        seen.update(found)
        last = max(found)
        asked["KeyMarker"] = page.get("NextKeyMarker") or last[0]
        asked["UploadIdMarker"] = page.get("NextUploadIdMarker") or last[1]


def _page(connection: Connection, prefix: str, position: _Position) -> dict[str, Any]:
    """By token where there is one. A server that says there is more, and gives none, knows the older listing only."""
    asked: dict[str, str] = {"Prefix": prefix}
    second = connection.dialect.second_listing and (position.token or not position.after)
    if position.token and second:
        asked["ContinuationToken"] = position.token
    elif position.after:
        asked["Marker"] = position.after
    return connection.list(second=bool(second), **asked)  # type: ignore[no-any-return]  # boto3 is untyped
