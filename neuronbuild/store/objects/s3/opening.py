"""Objects in a bucket of S3, or of any server that speaks it. The one door to boto3, opened for `s3://` locations only.

Every upload carries its SHA-256, which the server compares with what arrived.
"""

from __future__ import annotations

from neuronbuild.store.objects.remote import RemoteObjects
from neuronbuild.store.objects.retry import RetryPolicy
from neuronbuild.store.objects.s3.bucket import Bucket
from neuronbuild.store.objects.s3.location import parse_s3


def open_objects(location: str, policy: RetryPolicy | None = None) -> RemoteObjects:
    """The objects below a location's prefix.

    Raises:
        StoreError: the location or the AWS configuration can't be used.
    """
    where = parse_s3(location)
    return RemoteObjects(Bucket(where), policy or RetryPolicy(unknown=min(2.0, where.timeout)))
