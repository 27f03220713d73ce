"""Locations of the form `s3://bucket/prefix?endpoint_url=...&region=...`: what they say, without the library."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from neuronbuild.errors import StoreError, hide_passwords

logger = logging.getLogger(__name__)

SCHEME = "s3://"
HINT = "write s3://bucket/prefix, with ?endpoint_url=http://host:port&region=name where they are needed"
CREDENTIALS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile (?profile=name)"
OPTIONS = ("endpoint_url", "region", "profile", "timeout", "addressing_style", "unsigned", "sse", "sse_kms_key_id")
CHOICES = {
    "addressing_style": ("path", "virtual"),
    "unsigned": ("true", "false"),
    "sse": ("AES256", "aws:kms", "aws:kms:dsse"),
}
TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as lost."""


@dataclass(frozen=True, slots=True)
class S3Location:
    """A bucket and a prefix (empty, or with a slash at its end), and what isn't left to boto3's own chain.

    `text` is the location as it may be shown: without passwords. `sse` and `sse_kms_key_id` are the encryption that is asked
    for with every object that is put. `unsigned`: no credentials are used, also where there are some.
    """

    text: str
    bucket: str
    prefix: str
    endpoint_url: str | None = None
    region: str | None = None
    profile: str | None = None
    timeout: float = TIMEOUT
    addressing_style: str | None = None
    unsigned: bool = False
    sse: str | None = None
    sse_kms_key_id: str | None = None


def parse_s3(location: str) -> S3Location:
    """Read a location.

    Raises:
        StoreError: it isn't one.
    """
    try:
        parts = urlsplit(location)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        timeout = float(options.get("timeout", TIMEOUT))
        endpoint, has_password = _without_user(options.get("endpoint_url"))
    except ValueError as error:
        why = "" if "@" in str(error) else f": {error}"  # a part of a password could stand in it
        raise StoreError(location, f"it can't be read{why}", hint=HINT) from None
    _refuse_unknown(location, options)
    if "@" in parts.netloc:
        raise StoreError(location, "it names no bucket that can be: a location holds no credentials", hint=CREDENTIALS)
    if not parts.netloc or parts.fragment or timeout <= 0:
        raise StoreError(location, "it names no bucket that can be", hint=HINT)
    prefix, key, shown = parts.path.strip("/"), options.get("sse_kms_key_id"), hide_passwords(location)
    if has_password:
        logger.warning("store %s: the user and password of endpoint_url are not sent: %s", shown, CREDENTIALS)
    return S3Location(
        shown,
        parts.netloc,
        f"{prefix}/" if prefix else "",
        endpoint,
        options.get("region"),
        options.get("profile"),
        timeout,
        options.get("addressing_style"),
        options.get("unsigned") == "true",
        options.get("sse", "aws:kms" if key else None),
        key,
    )


def _refuse_unknown(location: str, options: dict[str, str]) -> None:
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:  # the value of one may be a secret that somebody takes this for the place of
        named = [name if name in unknown else f"{name}={value}" for name, value in options.items()]
        shown = f"{location.partition('?')[0]}?{'&'.join(named)}"
        raise StoreError(shown, f"it has no option {unknown[0]!r}", hint=f"there are {', '.join(OPTIONS)}; {CREDENTIALS}")
    for name, choices in CHOICES.items():
        if options.get(name, choices[0]) not in choices:
            raise StoreError(location, f"{options[name]!r} is no {name}", hint=f"write {name}={' or '.join(choices)}")
    if "sse_kms_key_id" in options and options.get("sse") == "AES256":
        raise StoreError(location, "sse_kms_key_id goes with sse=aws:kms, not with AES256", hint="leave one of them out")


def _without_user(url: str | None) -> tuple[str | None, bool]:
    """An endpoint without a user and a password, and whether it had any: S3's requests are signed, and carry neither."""
    if url is None or "@" not in (netloc := urlsplit(url).netloc):
        return url, False
    return urlunsplit(urlsplit(url)._replace(netloc=netloc.rpartition("@")[2])), True
