from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuronbuild.errors import StoreError
from neuronbuild.store.location import Remote, open_objects
from neuronbuild.store.objects.s3.location import TIMEOUT, S3Location, parse_s3, shown_location


@pytest.mark.parametrize(
    ("text", "bucket", "prefix"),
    [
        ("s3://team", "team", ""),
        ("s3://team/", "team", ""),
        ("s3://team/a/b", "team", "a/b/"),
        ("s3://my.team-1//a/", "my.team-1", "a/"),
    ],
)
def test_a_location_names_a_bucket_and_a_prefix(text, bucket, prefix):
    assert parse_s3(text) == S3Location(text, bucket, prefix)


def test_a_location_may_say_more():
    where = parse_s3("s3://team/a?endpoint_url=http://127.0.0.1:9000&region=eu-west-1&profile=ci&timeout=2.5")
    assert (where.endpoint_url, where.region, where.profile) == ("http://127.0.0.1:9000", "eu-west-1", "ci")
    assert where.timeout == 2.5
    assert parse_s3("s3://team").timeout == TIMEOUT


def test_a_location_says_how_a_server_is_asked():
    plain = parse_s3("s3://team")
    assert (plain.addressing_style, plain.unsigned, plain.sse, plain.sse_kms_key_id) == (None, False, None, None)
    key = "arn:aws:kms:eu-west-1:123456789012:key/1234"
    where = parse_s3(f"s3://team?addressing_style=virtual&unsigned=true&sse=aws:kms:dsse&sse_kms_key_id={key}")
    assert (where.addressing_style, where.unsigned, where.sse, where.sse_kms_key_id) == ("virtual", True, "aws:kms:dsse", key)
    assert parse_s3(f"s3://team?sse_kms_key_id={key}").sse == "aws:kms"
    assert parse_s3("s3://team?sse=AES256&unsigned=false").sse == "AES256"


@pytest.mark.parametrize(
    "address", ["http://user:hunter2@h:9000", "http%3A%2F%2Fuser%3Ahunter2%40h%3A9000", "http://hunter2@h:9000"]
)
def test_a_password_in_an_endpoint_is_neither_sent_nor_shown_and_that_is_told(address, caplog):
    where = parse_s3(f"s3://team/p?endpoint_url={address}")
    assert where.endpoint_url == "http://h:9000"
    assert "hunter2" not in repr(where) + caplog.text
    assert "are not sent" in caplog.text
    assert "***@" in where.text


WRITTEN_WRONG = [
    "user:hunter2@127.0.0.1:9",
    "http:/user:hunter2@127.0.0.1:9",
    "http%3A/%2Fuser:hunter2@host",
    "http://user:hun'hunter2@host",
    'http://user:"hunter2@host',
    "http://user:2024/hunter2@host",
    "http://user:2024/hunter2%40host",
    "http://user:not hunter2@host",
    "http://user:a@hunter2@host",
    "http://user:a&hunter2=b@host",
    "http://user:a&hunter2@host",
    "http://user:hunter2#b@host",
    "http://user:a#hunter2@host",
    "http://user:hunter2?b@host",
    "http://user:a?hunter2@host",
    "//user:hunter2@host",
    "ftp://user:hunter2@host",
]


@pytest.mark.parametrize("address", WRITTEN_WRONG)
@pytest.mark.parametrize("options", ["", "&region=eu", "&regoin=eu", "&timeout=soon", "&sse=kms"])
def test_no_way_to_write_a_password_shows_it(address, options, caplog):
    location = f"s3://team/p?endpoint_url={address}{options}"
    shown = shown_location(location) + repr(Remote(location))
    try:
        where = parse_s3(location)
    except StoreError as error:
        shown += f"{error} {error!r} {error.hint} {vars(error)}"
    else:
        shown += repr(where)
        assert "***@" in where.text
    assert "hunter2" not in shown + caplog.text


@pytest.mark.parametrize("location", ["s3://key:hun/hunter2@team", "S3://team?endpoint_url=u:hunter2@h", "ftp://u:a/hunter2@h"])
def test_what_names_no_store_shows_no_password(location):
    with pytest.raises(StoreError) as caught:
        open_objects(location)
    assert "hunter2" not in f"{caught.value} {vars(caught.value)} {shown_location(location)}"


@pytest.mark.parametrize(
    "address", ["http://h", "https://h:9000", "http://127.0.0.1:9000/path/", "http://[::1]:9000", "http://my_host-1.x"]
)
def test_a_plain_address_is_taken_and_shown_as_it_is(address):
    location = f"s3://team/me@corp?profile=me@corp&endpoint_url={address}"
    where = parse_s3(location)
    assert (where.endpoint_url, where.text, shown_location(location)) == (address, location, location)


@pytest.mark.parametrize("name", ["secret", "aws_secret_access_key", "access_key"])
def test_the_value_of_an_option_that_there_isnt_is_not_shown(name):
    with pytest.raises(StoreError, match=f"no option '{name}'") as caught:
        parse_s3(f"s3://team?region=eu-west-1&{name}=hunter2")
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"
    assert "AWS_SECRET_ACCESS_KEY" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("s3://", "names no bucket"),
        ("s3:///a", "names no bucket"),
        ("s3://team?timeout=soon", "can't be read"),
        ("s3://team?timeout=0", "names no bucket"),
        ("s3://team?region", "can't be read"),
        ("s3://team?endpoint_url=http://[x", "can't be read"),
    ],
)
def test_what_cant_be_one_is_an_error_with_a_hint(text, words):
    with pytest.raises(StoreError, match=words) as caught:
        parse_s3(text)
    assert "s3://bucket/prefix" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ("s3://key:secret@team/a", "holds no credentials", "AWS_ACCESS_KEY_ID"),
        ("s3://team?regoin=x", "no option 'regoin'", "addressing_style"),
        ("s3://team?addressing_style=host", "'host' is no addressing_style", "addressing_style=path or virtual"),
        ("s3://team?sse=kms", "'kms' is no sse", "aws:kms"),
        ("s3://team?unsigned=maybe", "'maybe' is no unsigned", "true or false"),
        ("s3://team?sse=AES256&sse_kms_key_id=k", "not with AES256", "leave one"),
    ],
)
def test_what_an_option_cant_be_is_an_error_with_what_it_can_be(text, words, hint):
    with pytest.raises(StoreError, match=words) as caught:
        parse_s3(text)
    assert hint in caught.value.hint
    assert "secret@" not in str(caught.value)


@given(st.text(max_size=30))
def test_any_text_is_a_location_or_an_error(text):
    try:
        where = parse_s3("s3://" + text)
    except StoreError:
        return
    assert where.bucket
    assert where.prefix == "" or (where.prefix.endswith("/") and not where.prefix.startswith("/"))
