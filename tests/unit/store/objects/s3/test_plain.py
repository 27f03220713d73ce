from __future__ import annotations

import boto3
import pytest

from neuronbuild.errors import StoreError
from neuronbuild.store.objects.s3.bucket import Bucket, checksum_of
from neuronbuild.store.objects.s3.client import first_dialect, open_client
from neuronbuild.store.objects.s3.dialect import Dialect
from neuronbuild.store.objects.s3.location import parse_s3
from neuronbuild.store.objects.s3.plain import PlainRequests
from tests.doubles import s3

ODD = "a b/c+d~e=f&g'h(i)*j:k@l,m/ü"


def calls_of(bucket) -> list[str]:
    """From now on, the methods of the client that are called."""
    seen: list[str] = []
    bucket._line._connection.client.meta.events.register("before-call.s3", lambda model, **_: seen.append(model.name))
    return seen


def whole(body, size):
    data = bytearray(size)
    return bytes(data[: body.readinto(memoryview(data))])


@pytest.fixture
def strict(servers, monkeypatch):
    """A bucket on a server that checks signatures."""
    for name, value in s3.CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return Bucket(parse_s3(s3.location(servers("seaweedfs"))))


def test_a_file_comes_and_goes_without_the_client(strict):
    calls = calls_of(strict)
    tag = strict.put(ODD, b"0123456789")
    assert strict.receive(ODD, whole) == b"0123456789"
    assert strict.receive(ODD, whole, (2, 3)) == b"234"
    assert calls == []
    assert strict.head(ODD).stamp == tag


def test_the_client_reads_what_was_put_plainly_and_the_other_way_round(strict):
    strict.put(ODD, b"plain")
    assert strict.get(ODD, 10).data == b"plain"
    strict.put(ODD + "2", b"client", None)
    assert strict.receive(ODD + "2", whole) == b"client"


def test_connections_are_used_again(strict):
    for number in range(20):
        strict.put(str(number), bytes(100))
        strict.receive(str(number), whole)
    pools = strict._line._connection.client._endpoint.http_session._manager.pools
    assert sum(pools[key].num_connections for key in pools.keys()) == 1  # noqa: SIM118 (urllib3's container)


def test_an_absent_object_is_nothing_and_the_client_is_asked_from_then_on(strict):
    strict.put("here", b"bytes")
    assert strict.receive("absent", whole) is None
    calls = calls_of(strict)
    assert strict.receive("here", whole) == b"bytes"
    assert calls == ["GetObject"]


def test_a_server_that_refuses_is_explained_by_the_client(strict, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    other = Bucket(parse_s3(strict.location))
    with pytest.raises(StoreError, match="the secret key doesn't fit the access key"):
        other.put("a", b"bytes")
    with pytest.raises(StoreError, match="the secret key doesn't fit the access key"):
        other.receive("a", whole)


@pytest.mark.parametrize(
    ("location", "address"),
    [
        ("s3://team/p?endpoint_url=http://storage.example:9000", "http://storage.example:9000/team/"),
        ("s3://team/p?endpoint_url=http://storage.example/below", "http://storage.example/below/team/"),
        ("s3://team/p?region=us-east-1", "https://team.s3.amazonaws.com/"),
        ("s3://team/p?region=eu-west-1", "https://team.s3.eu-west-1.amazonaws.com/"),
        ("s3://team/p?region=cn-north-1", "https://team.s3.cn-north-1.amazonaws.com.cn/"),
        (
            "s3://team/p?endpoint_url=https://bucket.vpce-1a.s3.us-east-1.vpce.amazonaws.com",
            "https://team.bucket.vpce-1a.s3.us-east-1.vpce.amazonaws.com/",
        ),
    ],
)
def test_addresses_are_those_that_the_client_itself_asks(monkeypatch, location, address):
    for name, value in s3.CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    where, session, asked = parse_s3(location), boto3.session.Session(), []
    client = open_client(where, session, first_dialect(where, session))

    def stop(request, **_):
        asked.append(request.url)
        raise InterruptedError

    client.meta.events.register("before-send.s3", stop)
    with pytest.raises(InterruptedError):
        client.get_object(Bucket=where.bucket, Key="k")
    assert asked == [address + "k"]
    assert PlainRequests(client, session.get_credentials(), where.bucket)._base == address


@pytest.mark.parametrize("bucket", ["team--usw2-az1--x-s3", "arn:aws:s3:us-east-1:123456789012:accesspoint/team", "Team_1"])
def test_buckets_that_sign_in_other_ways_are_the_clients(remote, bucket):
    where, session = parse_s3(remote), boto3.session.Session()
    plain = PlainRequests(open_client(where, session, Dialect(virtual=False)), session.get_credentials(), bucket)
    assert plain.send("GET", "k", {}) is None


def test_without_credentials_nothing_is_sent(remote):
    plain = PlainRequests(open_client(parse_s3(remote), boto3.session.Session(), Dialect(virtual=False)), None, "team")
    assert plain.send("PUT", "k", {"x-amz-checksum-sha256": checksum_of(b"")}, b"") is None
