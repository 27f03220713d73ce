from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuronbuild.errors import StoreError
from neuronbuild.store.s3_location import TIMEOUT, S3Location, parse_s3


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


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("s3://", "names no bucket"),
        ("s3:///a", "names no bucket"),
        ("s3://key:secret@team/a", "names no bucket"),
        ("s3://team?regoin=x", "no option 'regoin'"),
        ("s3://team?timeout=soon", "can't be read"),
        ("s3://team?timeout=0", "names no bucket"),
        ("s3://team?region", "can't be read"),
    ],
)
def test_what_cant_be_one_is_an_error_with_a_hint(text, words):
    with pytest.raises(StoreError, match=words) as caught:
        parse_s3(text)
    assert "s3://bucket/prefix" in caught.value.hint


@given(st.text(max_size=30))
def test_any_text_is_a_location_or_an_error(text):
    try:
        where = parse_s3("s3://" + text)
    except StoreError:
        return
    assert where.bucket
    assert where.prefix == "" or (where.prefix.endswith("/") and not where.prefix.startswith("/"))
