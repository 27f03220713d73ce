from __future__ import annotations

from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from neuronbuild.store.objects.s3.dialect import Dialect, adapted, is_address
from neuronbuild.store.objects.s3.location import parse_s3

WHERE = parse_s3("s3://team")
ENDPOINT = "http://storage.example:9000"
FIRST = Dialect(virtual=False)


def refusal(code: str, status: int, message: str = "", operation: str = "PutObject", **more: str) -> ClientError:
    response = {"Error": {"Code": code, "Message": message, **more}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, operation)


CHECKSUMS = [
    refusal("InvalidArgument", 400, "Unsupported header 'x-amz-checksum-sha256' received for this API call."),
    refusal("InvalidArgument", 400, "Unsupported header 'x-amz-sdk-checksum-algorithm'", "CreateMultipartUpload"),
    refusal("NotImplemented", 501, "A header you provided implies functionality that is not implemented", "UploadPart"),
    refusal("NotImplemented", 501, "no", Header="x-amz-checksum-sha256"),
    refusal("InvalidRequest", 400, "trailers are not supported"),
]
PATHS = [
    refusal("SecondLevelDomainForbidden", 403, "Please use virtual hosted style to access."),
    refusal("PathStyleDomainForbidden", 403),
    refusal("VirtualHostDomainRequired", 400),
    refusal("InvalidRequest", 400, "use virtual-host style", "GetObject"),
]
LISTINGS = [
    refusal("NotImplemented", 501, operation="ListObjectsV2"),
    refusal("InvalidArgument", 400, operation="ListObjectsV2"),
    refusal("MethodNotAllowed", 405, operation="ListObjectsV2"),
]
OTHERS = [
    refusal("AccessDenied", 403, "explicit deny in a resource-based policy"),
    refusal("BadDigest", 400, "The checksum you specified did not match"),
    refusal("AuthorizationHeaderMalformed", 400, "The authorization header is malformed"),
    refusal("SlowDown", 503),
    refusal("InternalError", 500, "checksum service is down"),
    refusal("NoSuchKey", 404, operation="GetObject"),
    refusal("NotImplemented", 501, "this header is not implemented", "GetObject"),
]


@pytest.mark.parametrize("error", CHECKSUMS)
def test_a_server_that_refuses_checksums_gets_none_from_then_on(error):
    without = replace(FIRST, checksums=False)
    assert adapted(FIRST, WHERE, ENDPOINT, error) == without
    assert adapted(without, WHERE, ENDPOINT, error) is None


@pytest.mark.parametrize("error", PATHS)
def test_a_server_that_refuses_paths_is_asked_by_host_unless_that_cant_be(error):
    virtual = replace(FIRST, virtual=True)
    assert adapted(FIRST, WHERE, ENDPOINT, error) == virtual
    assert adapted(virtual, WHERE, ENDPOINT, error) is None
    assert adapted(FIRST, WHERE, "http://127.0.0.1:9000", error) is None
    assert adapted(FIRST, parse_s3("s3://team?addressing_style=path"), ENDPOINT, error) is None


@pytest.mark.parametrize("error", LISTINGS)
def test_a_server_that_doesnt_know_the_newer_listing_is_asked_for_the_older(error):
    older = replace(FIRST, second_listing=False)
    assert adapted(FIRST, WHERE, ENDPOINT, error) == older
    assert adapted(older, WHERE, ENDPOINT, error) is None


@pytest.mark.parametrize("error", OTHERS)
def test_other_refusals_change_nothing(error):
    assert adapted(FIRST, WHERE, ENDPOINT, error) is None


def test_an_address_is_no_name():
    assert is_address("http://127.0.0.1:9000")
    assert is_address("https://[::1]:9000/x")
    assert not is_address("http://localhost:9000")
