"""How a server wants to be asked, where servers differ: it begins as most want it, and is changed by what one refuses.

A refusal that tells what it is about is followed once, and what was asked is asked again. What no answer can tell is an option
of the location: which encryption a bucket demands, and that credentials are not to be used.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from neuronbuild.store.objects.s3.answers import is_path_refused, is_unsupported, message_of

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

    from neuronbuild.store.objects.s3.location import S3Location

UPLOADS = {"PutObject", "UploadPart", "CreateMultipartUpload", "CompleteMultipartUpload"}
ABOUT_CHECKSUMS = re.compile(r"checksum|trailer|header", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Dialect:
    """`virtual`: the bucket is part of the host name, and not of the path. `unsigned`: no credentials are used.

    `checksums`: uploads carry `x-amz-checksum-sha256`. Without it, the SHA-256 of the body is part of the signature.
    `second_listing`: listings are asked for by ListObjectsV2, and not by ListObjects.
    """

    virtual: bool
    unsigned: bool = False
    checksums: bool = True
    second_listing: bool = True


def adapted(dialect: Dialect, where: S3Location, endpoint: str, error: ClientError) -> Dialect | None:
    """The dialect that a refusal asks for, or `None` if it is about something else."""
    if is_path_refused(error):
        can_change = not dialect.virtual and where.addressing_style is None and not is_address(endpoint)
        return replace(dialect, virtual=True) if can_change else None
    if not is_unsupported(error):
        return None
    if dialect.checksums and error.operation_name in UPLOADS and ABOUT_CHECKSUMS.search(message_of(error)):
        return replace(dialect, checksums=False)
    if dialect.second_listing and error.operation_name == "ListObjectsV2":
        return replace(dialect, second_listing=False)
    return None


def is_address(endpoint: str) -> bool:
    """Whether an endpoint is named by an IP address, before which no bucket's name can stand."""
    try:
        ipaddress.ip_address(urlsplit(endpoint).hostname or "")
    except ValueError:
        return False
    return True
