"""Pages of a bucket's listings, whatever a server makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from neuronbuild.errors import StoreError
from neuronbuild.store.objects.backend import AS_S3, ENDLESS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from neuronbuild.store.objects.s3.client import Connection
    from neuronbuild.store.objects.s3.line import Line


class _Position(NamedTuple):
    """Where a page begins: after a key, and by a token where the server gives one."""

    after: str = ""
    token: str = ""


class Listed(NamedTuple):
    """What a server says of some objects, and where the next page begins."""

    contents: list[dict[str, Any]]
    following: _Position | None


def list_page(connection: Connection, prefix: str, position: object) -> Listed:
    """A page of the objects below a prefix: the first one, or the one that another named."""
    start = position if isinstance(position, _Position) else _Position()
    page = _page(connection, prefix, start)
    found = [entry for entry in page.get("Contents", ()) if entry["Key"].startswith(prefix)]
    last = page.get("NextMarker") or (found[-1]["Key"] if found else start.after)
    following = _Position(last, page.get("NextContinuationToken", "")) if page.get("IsTruncated") else None
    return Listed([entry for entry in found if entry["Key"] != start.after], following)


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
