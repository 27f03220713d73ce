"""How one object's trouble is told from the bucket's, and what is learned from refusals."""

from __future__ import annotations

import pytest

from neuronbuild.digest import Pieces, digest_bytes
from neuronbuild.errors import StoreError
from neuronbuild.store.location import open_objects
from tests.doubles.quirky import REGION, serving

NAME = "v1/blobs/sha256/ab/" + "ab" * 32
PIECES = Pieces.whole(digest_bytes(b"bytes"))


def refuse(server, code: str):
    """A place with an object that isn't handed out."""
    objects = open_objects(server.location())
    objects.write(NAME, b"bytes")
    server.refuse(NAME, code)
    return objects


@pytest.mark.parametrize("code", ["InvalidObjectState", "kms", "403"])
def test_an_object_that_isnt_handed_out_is_missing_and_is_told_and_the_others_are_there(code, tmp_path, caplog):
    with serving() as server:
        objects = refuse(server, code)
        assert objects.read_to(NAME, tmp_path / "fetched", "copy", PIECES) is None
        assert not (tmp_path / "fetched").exists()
        assert objects.read(NAME) is None
        assert objects.stat(NAME) is None
        assert objects.digest(NAME) is None
        assert "count as missing" in caplog.text
        assert len(caplog.records) == 1
        objects.write("v1/other", b"other")
        assert objects.read("v1/other") == b"other"


@pytest.mark.parametrize("code", ["InvalidObjectState", "kms", "403"])
def test_an_object_that_isnt_handed_out_is_replaced(code, tmp_path):
    with serving() as server:
        objects = refuse(server, code)
        assert objects.read(NAME) is None
        assert objects.write(NAME, b"again", None)
        assert objects.read(NAME) == b"again"
        assert objects.size(NAME) == 5


def test_an_archived_object_is_missing_before_anybody_asks_for_it():
    with serving() as server:
        assert refuse(server, "InvalidObjectState").size(NAME) is None


@pytest.mark.parametrize("ask", ["read", "stat", "read_to"])
def test_of_a_store_that_may_not_be_listed_nothing_counts_as_missing(ask, tmp_path):
    with serving("no-list") as server:
        objects = open_objects(server.location())
        with pytest.raises(StoreError, match=r"may not be listed.*s3:ListBucket") as caught:
            objects.read_to(NAME, tmp_path / "f", "copy", PIECES) if ask == "read_to" else getattr(objects, ask)(NAME)
        assert "s3:ListBucket" in caught.value.hint
        objects.write(NAME, b"bytes")
        assert objects.read(NAME) == b"bytes"


@pytest.mark.parametrize("ask", ["read", "stat"])
def test_a_bucket_that_isnt_there_is_no_missing_object(ask):
    with serving() as server:
        objects = open_objects(server.location().replace("team/", "nobody/"))
        with pytest.raises(StoreError, match=r"no such bucket \(NoSuchBucket: The specified bucket"):
            getattr(objects, ask)(NAME)


def test_whether_a_bucket_is_there_is_asked_once():
    with serving() as server:
        objects = open_objects(server.location())
        assert [objects.stat(f"v1/{number}") for number in range(5)] == [None] * 5
        assert [request.verb for request in server.seen].count("GET") == 1


@pytest.mark.parametrize("ask", ["read", "stat"])
def test_a_wrong_clock_is_told_even_where_the_answer_has_no_words(ask):
    with serving("skewed") as server, pytest.raises(StoreError, match=r"clock.*RequestTimeTooSkewed"):
        getattr(open_objects(server.location()), ask)(NAME)


def test_a_busy_server_is_asked_again():
    with serving("slow-down") as server:
        objects = open_objects(server.location())
        objects.write(NAME, b"bytes")
        assert objects.read(NAME) == b"bytes"


@pytest.mark.parametrize("quirk", ["no-checksums", "no-checksums-501"])
def test_a_server_that_refuses_checksums_is_asked_with_one_once_and_then_checks_the_signed_hash(quirk):
    with serving(quirk) as server:
        objects = open_objects(server.location())
        for number in range(3):
            objects.write(f"v1/{number}", b"bytes")
        puts = [request for request in server.seen if request.verb == "PUT"]
        assert all(digest_bytes(put.body).sha256 == put.headers["x-amz-content-sha256"] for put in puts[-3:])
        assert not any("x-amz-checksum-sha256" in put.headers for put in puts[-3:])
        assert len(puts) <= 5


@pytest.mark.parametrize("quirk", ["virtual-only", "virtual-only-cos"])
def test_a_server_that_wants_the_bucket_in_the_host_gets_it(quirk, monkeypatch):
    with serving(quirk) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        objects = open_objects(server.location())
        assert objects.stat(NAME) is None
        objects.write(NAME, b"bytes")
        assert server.seen[-1].host == "team.s3.quirky"
        addressed = open_objects(server.location(addressing_style="virtual"))
        before = len(server.seen)
        addressed.write(NAME, b"bytes")
        assert len(server.seen) == before + 1
        with pytest.raises(StoreError, match="in the host only") as caught:
            open_objects(server.location(addressing_style="path")).write(NAME, b"bytes")
        assert "addressing_style=virtual" in caught.value.hint


def test_a_server_that_wants_the_bucket_in_the_host_and_is_named_by_address_is_told():
    with serving("virtual-only") as server:
        objects = open_objects(f"s3://team/p?endpoint_url={server.endpoint}")
        for ask in (objects.stat, objects.read, lambda name: objects.write(name, b"")):
            with pytest.raises(StoreError, match=r"in the host only \(SecondLevelDomainForbidden: Please use virtual"):
                ask(NAME)


def test_a_region_that_a_server_names_is_followed_or_told():
    with serving("other-region") as server:
        objects = open_objects(server.location())
        objects.write(NAME, b"bytes")
        assert objects.read(NAME) == b"bytes"
    with serving("moved") as server:
        with pytest.raises(StoreError, match=r"another region \(PermanentRedirect: The bucket must") as caught:
            open_objects(server.location()).read(NAME)
        assert f"region={REGION}" in caught.value.hint


@pytest.fixture
def _without_credentials(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def readable(server, **options):
    """A place in a public bucket with an object in it."""
    objects = open_objects(server.location(**options))
    server.quirks.discard("public")
    with_keys = open_objects(objects.location.replace("unsigned=true", "unsigned=false"))
    with_keys.write(NAME, b"bytes")
    server.quirks.add("public")
    return objects


def test_a_public_bucket_is_read_without_credentials_where_the_location_says_so(tmp_path):
    with serving("public") as server:
        objects = readable(server, unsigned="true")
        assert objects.read(NAME) == b"bytes"
        assert objects.read_to(NAME, tmp_path / "fetched", "copy", PIECES) == "copy"
        assert [entry.name for entry in objects.list("v1/")] == [NAME]
        assert objects.stat("v1/absent") is None
        with pytest.raises(StoreError, match=r"without credentials \(AccessDenied") as caught:
            objects.write(NAME, b"bytes")
        assert "unsigned=true" in caught.value.hint
        signed = open_objects(objects.location.replace("unsigned=true", "unsigned=false"))
        with pytest.raises(StoreError, match=r"access key is unknown there \(InvalidAccessKeyId"):
            signed.read(NAME)


@pytest.mark.usefixtures("_without_credentials")
def test_a_public_bucket_is_read_where_there_are_no_credentials():
    with serving("public") as server:
        objects = open_objects(server.location())
        assert objects.stat(NAME) is None
        assert list(objects.list("v1/")) == []
        with pytest.raises(StoreError, match="there are no usable credentials") as caught:
            objects.write(NAME, b"bytes")
        assert "AWS_PROFILE" in caught.value.hint


@pytest.mark.parametrize(
    ("quirk", "words"),
    [
        ("html", "none of S3's.*no listing; it is a page of status 200, text/html: Sign in to the guest network"),
        ("garbled", "the server failed.*a page that begins: Sign in to the guest network"),
    ],
)
def test_what_is_no_s3_server_is_told(quirk, words):
    with serving(quirk) as server, pytest.raises(StoreError, match=words):
        list(open_objects(server.location(timeout=1)).list("v1/"))
