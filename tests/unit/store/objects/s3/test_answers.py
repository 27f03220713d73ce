from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from neuronbuild.store.objects.s3.answers import code_of, is_of_object, is_unsupported, may_be_of_object, message_of, said


def refusal(code: str, status: int, message: str = "", **more: str) -> ClientError:
    response = {"Error": {"Code": code, "Message": message, **more}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "GetObject")


def test_an_answer_without_a_body_is_known_by_its_status():
    assert code_of(ClientError({"ResponseMetadata": {"HTTPStatusCode": 412}}, "HeadObject")) == "412"


def test_what_a_server_said_is_one_line_with_the_header_that_it_names():
    error = refusal("NotImplemented", 501, "not\n  implemented" + "x" * 1000, Header="If-Match")
    assert message_of(refusal("NotImplemented", 501, "not\n here", Header="If-Match")) == "not here If-Match"
    assert len(message_of(error)) == 300
    assert said(refusal("AccessDenied", 403, "no")) == "AccessDenied: no, to GetObject"
    assert said(refusal("403", 403)) == "403, to GetObject"


@pytest.mark.parametrize(
    "error",
    [
        refusal("InvalidObjectState", 403, "not valid for the object's storage class"),
        refusal("KMS.DisabledException", 400),
        refusal("AccessDenied", 403, "not authorized to perform: kms:Decrypt"),
        refusal("InvalidRequest", 400, "The object was stored using a form of Server Side Encryption."),
    ],
)
def test_an_archive_and_keys_of_others_are_one_objects_trouble(error):
    assert is_of_object(error)


@pytest.mark.parametrize("error", [refusal("AccessDenied", 403), refusal("403", 403), refusal("400", 400), refusal("405", 405)])
def test_a_bare_denial_may_be_of_one_object_or_of_all(error):
    assert not is_of_object(error)
    assert may_be_of_object(error)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("InvalidAccessKeyId", 403),
        ("ExpiredToken", 400),
        ("RequestTimeTooSkewed", 403),
        ("NoSuchBucket", 404),
        ("SlowDown", 503),
        ("AuthorizationHeaderMalformed", 400),
        ("SecondLevelDomainForbidden", 403),
        ("InternalError", 500),
    ],
)
def test_what_is_wrong_with_all_requests_is_of_no_object(code, status):
    assert not is_of_object(refusal(code, status, "of the encryption service"))
    assert not may_be_of_object(refusal(code, status))


def test_what_a_server_cant_do_has_many_names():
    assert is_unsupported(refusal("NotImplemented", 501))
    assert is_unsupported(refusal("InvalidArgument", 400))
    assert is_unsupported(refusal("MethodNotAllowed", 405))
    assert not is_unsupported(refusal("PreconditionFailed", 412))
    assert not is_unsupported(refusal("ExpiredToken", 400))
