from __future__ import annotations

import pytest
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from neuronbuild.errors import StoreBusyError, StoreOutageError
from neuronbuild.store.objects.backend import UploadGoneError
from neuronbuild.store.objects.s3.answers import odd_answer
from neuronbuild.store.objects.s3.faults import Explainer
from neuronbuild.store.objects.s3.location import parse_s3

explain = Explainer(parse_s3("s3://team"))


def answer(code: str, status: int = 400, operation: str = "PutObject", message: str = "words", **headers: str):
    response = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers},
    }
    return boto.ClientError(response, operation)


@pytest.mark.parametrize(
    ("code", "status", "words", "hint"),
    [
        ("NoSuchBucket", 404, "no such bucket", "create it"),
        ("AccessDenied", 403, "access is denied", "s3:GetObject"),
        ("403", 403, "access is denied", "s3:GetObject"),
        ("InvalidAccessKeyId", 403, "access key is unknown", "AWS_ACCESS_KEY_ID"),
        ("SignatureDoesNotMatch", 403, "secret key", "AWS_PROFILE"),
        ("ExpiredToken", 400, "expired", "sign in again"),
        ("RequestTimeTooSkewed", 403, "clock", "timedatectl"),
        ("SecondLevelDomainForbidden", 403, "in the host only", "addressing_style=virtual"),
        ("NotImplemented", 501, "can't do what is asked", "docs/recipes.md"),
        ("AccountProblem", 403, "access is denied", "s3:GetObject"),
        ("EntityTooLarge", 400, "refused a request", "bucket, endpoint_url and region"),
    ],
)
def test_a_final_answer_says_what_to_do_and_what_the_server_said(code, status, words, hint):
    trouble = explain(answer(code, status))
    assert not isinstance(trouble, StoreOutageError | StoreBusyError)
    assert words in str(trouble)
    assert f"({code}: words, to PutObject)" in str(trouble)
    assert hint in trouble.hint


def test_a_denial_says_what_is_lacking_for_what_was_asked():
    put = explain(answer("AccessDenied", 403))
    assert "sse=aws:kms" in put.hint
    assert "read_only: true" in put.hint
    got = explain(answer("AccessDenied", 403, "GetObject"))
    assert "sse=" not in got.hint
    assert "may not be listed" in str(explain(answer("AccessDenied", 403, "ListObjectsV2")))
    assert "(403, to HeadObject)" in str(explain(answer("403", 403, "HeadObject", "")))


def test_a_denial_of_unsigned_requests_says_that_they_are():
    chosen = Explainer(parse_s3("s3://team?unsigned=true"))(answer("AccessDenied", 403))
    assert "without credentials" in str(chosen)
    assert "unsigned=true" in chosen.hint
    by_want = Explainer(parse_s3("s3://team"))
    by_want.unsigned = True
    error = by_want(answer("AccessDenied", 403))
    assert "no usable credentials" in str(error)
    assert "AWS_PROFILE" in error.hint


def test_a_server_that_is_none_of_s3_is_told_to_be_one():
    trouble = explain(ResponseParserError("Unable to parse response"))
    assert isinstance(trouble, StoreOutageError)
    assert "none of S3's" in str(trouble)
    assert "endpoint_url" in trouble.hint
    odd = explain(odd_answer("listing", {}))
    assert not isinstance(odd, StoreOutageError)
    assert "its answer has no listing" in str(odd)


def test_an_upload_that_another_ended_is_told_apart():
    assert isinstance(explain(answer("NoSuchUpload", 404)), UploadGoneError)


def test_no_message_of_a_server_or_a_library_shows_a_password():
    text = 'Could not connect to the endpoint URL: "http://user:hunter2@host/team"'
    for error in (answer("AccessDenied", 403, message=text), boto.EndpointConnectionError(endpoint_url=text, error=text)):
        assert "hunter2" not in str(explain(error))


@pytest.mark.parametrize("code", ["PermanentRedirect", "301", "AuthorizationHeaderMalformed"])
def test_another_region_is_named_if_the_server_names_it(code):
    error = explain(answer(code, 301, **{"x-amz-bucket-region": "eu-west-1"}))
    assert "another region" in str(error)
    assert "?region=eu-west-1" in error.hint
    assert "AWS_DEFAULT_REGION" in explain(answer(code, 301)).hint


@pytest.mark.parametrize("code", ["SlowDown", "503", "429", "ThrottlingException"])
def test_a_busy_server_is_asked_again(code):
    trouble = explain(answer(code, 503))
    assert isinstance(trouble, StoreBusyError)
    assert "more slowly" in str(trouble)
    assert "fewer" in trouble.hint


@pytest.mark.parametrize("code", ["ConditionalRequestConflict", "BadDigest", "XAmzContentChecksumMismatch"])
def test_a_conflict_and_a_bad_passage_are_tried_again(code):
    assert isinstance(explain(answer(code, 400)), StoreBusyError)


@pytest.mark.parametrize("code", ["InternalError", "500", "BadGateway", ""])
def test_a_server_that_fails_is_an_outage(code):
    assert isinstance(explain(answer(code, 502)), StoreOutageError)


@pytest.mark.parametrize(
    "error",
    [
        boto.EndpointConnectionError(endpoint_url="http://127.0.0.1:1"),
        boto.ConnectTimeoutError(endpoint_url="http://127.0.0.1:1"),
        boto.ReadTimeoutError(endpoint_url="http://127.0.0.1:1"),
        boto.ConnectionClosedError(endpoint_url="http://127.0.0.1:1"),
        boto.ResponseStreamingError(error=OSError("reset")),
        boto.IncompleteReadError(actual_bytes=1, expected_bytes=2),
    ],
)
def test_a_lost_connection_is_an_outage(error):
    trouble = explain(error)
    assert isinstance(trouble, StoreOutageError)
    assert "can't be reached" in str(trouble)


@pytest.mark.parametrize("error", [boto.NoCredentialsError(), boto.PartialCredentialsError(provider="env", cred_var="secret")])
def test_missing_credentials_are_told_with_how_to_give_them(error):
    trouble = explain(error)
    assert "no usable credentials" in str(trouble)
    assert "AWS_ACCESS_KEY_ID" in trouble.hint


def test_other_answers_are_quoted_and_bugs_are_bugs():
    assert "InvalidArgument: words" in str(explain(answer("InvalidArgument")))
    assert explain(boto.ProfileNotFound(profile="x")) is not None
    assert explain(KeyError("x")) is None
