"""Locations of the form `s3://bucket/prefix?endpoint_url=...&region=...`: what they say, without the library."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from neuronbuild.errors import StoreError

SCHEME = "s3://"
HINT = "write s3://bucket/prefix, with ?endpoint_url=http://host:port&region=name where they are needed"
OPTIONS = ("endpoint_url", "region", "profile", "timeout")
TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as lost."""


@dataclass(frozen=True, slots=True)
class S3Location:
    """A bucket and a prefix (empty, or with a slash at its end), and what isn't left to boto3's own chain."""

    text: str
    bucket: str
    prefix: str
    endpoint_url: str | None = None
    region: str | None = None
    profile: str | None = None
    timeout: float = TIMEOUT


def parse_s3(location: str) -> S3Location:
    """Read a location.

    Raises:
        StoreError: it isn't one.
    """
    try:
        parts = urlsplit(location)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        timeout = float(options.get("timeout", TIMEOUT))
    except ValueError as error:
        raise StoreError(location, f"it can't be read: {error}", hint=HINT) from None
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown or not parts.netloc or "@" in parts.netloc or parts.fragment or timeout <= 0:
        wrong = f"it has no option {unknown[0]!r}" if unknown else "it names no bucket that can be"
        raise StoreError(location, wrong, hint=HINT)
    prefix = parts.path.strip("/")
    return S3Location(
        location,
        parts.netloc,
        f"{prefix}/" if prefix else "",
        options.get("endpoint_url"),
        options.get("region"),
        options.get("profile"),
        timeout,
    )
