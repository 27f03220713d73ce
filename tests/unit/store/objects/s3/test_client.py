from __future__ import annotations

import boto3
import pytest

from neuronbuild.errors import StoreError
from neuronbuild.store.objects.s3.client import Connection, first_dialect, open_client, open_session
from neuronbuild.store.objects.s3.dialect import Dialect
from neuronbuild.store.objects.s3.location import parse_s3

KEY = "arn:aws:kms:eu-west-1:123456789012:key/1"


def dialect_of(location: str) -> Dialect:
    return first_dialect(parse_s3(location), boto3.session.Session())


def test_servers_of_ones_own_are_asked_by_path_and_amazon_by_name():
    assert not dialect_of("s3://team?endpoint_url=http://storage.example:9000").virtual
    assert dialect_of("s3://team?region=eu-west-1").virtual
    assert not dialect_of("s3://my.team?region=eu-west-1").virtual


def test_the_description_of_s3_is_read_once_for_each_folder_of_descriptions(tmp_path, monkeypatch):
    where = parse_s3("s3://team?endpoint_url=http://storage.example:9000")
    clients = [open_client(where, open_session(where), Dialect(virtual=False)) for _ in range(2)]
    first, second = (client.meta.service_model._service_description for client in clients)
    assert first is second
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    other = open_client(where, open_session(where), Dialect(virtual=False))
    assert other.meta.service_model._service_description is not first


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
@pytest.mark.parametrize("address", ["http://user:hunter2@host:9", "http://user:hun'hunter2@host:9"])
def test_a_password_in_an_endpoint_of_the_environment_goes_nowhere(variable, address, monkeypatch):
    monkeypatch.setenv(variable, address)
    client = open_client(parse_s3("s3://team"), boto3.session.Session(), Dialect(virtual=False))
    assert client.meta.endpoint_url == "http://host:9"


@pytest.mark.parametrize("address", ["user:hunter2@host", "http:/user:hunter2@host", "http://user:2024/hunter2@host"])
def test_an_endpoint_of_the_environment_that_is_none_is_not_shown(address, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    with pytest.raises(StoreError, match="isn't a plain address") as caught:
        dialect_of("s3://team")
    assert "hunter2" not in f"{caught.value} {vars(caught.value)}"


@pytest.mark.parametrize("style", ["path", "virtual"])
def test_a_location_or_a_profile_says_how_a_bucket_is_addressed(style, tmp_path, monkeypatch):
    for location in ("s3://team?endpoint_url=http://storage.example", "s3://team?region=eu-west-1"):
        assert dialect_of(f"{location}&addressing_style={style}").virtual == (style == "virtual")
        (tmp_path / "config").write_text(f"[default]\ns3 =\n  addressing_style = {style}\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        assert dialect_of(location).virtual == (style == "virtual")
        other = "path" if style == "virtual" else "virtual"
        assert dialect_of(f"{location}&addressing_style={other}").virtual == (other == "virtual")
        monkeypatch.delenv("AWS_CONFIG_FILE")


def test_without_credentials_and_by_the_location_requests_are_unsigned(monkeypatch):
    assert not dialect_of("s3://team").unsigned
    assert dialect_of("s3://team?unsigned=true").unsigned
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert dialect_of("s3://team").unsigned


def asked(connection: Connection, verb: str, **arguments: object) -> dict[str, object]:
    """The parameters that the client's method gets; nothing is sent."""
    seen: list[dict[str, object]] = []

    def stop(params, **_):
        seen.append(dict(params))
        raise InterruptedError

    connection.client.meta.events.register("provide-client-params.s3", stop)
    with pytest.raises(InterruptedError):
        connection.ask(verb, "k", **arguments)
    return seen[0]


@pytest.mark.parametrize("verb", ["put_object", "create_multipart_upload"])
def test_what_makes_an_object_says_how_it_is_encrypted(verb):
    where = parse_s3(f"s3://team?sse_kms_key_id={KEY}")
    connection = Connection(where, boto3.session.Session())
    said = asked(connection, verb)
    assert (said["ServerSideEncryption"], said["SSEKMSKeyId"]) == ("aws:kms", KEY)
    headers = connection.put_headers("checksum")
    assert headers["x-amz-server-side-encryption"] == "aws:kms"
    assert headers["x-amz-server-side-encryption-aws-kms-key-id"] == KEY
    assert "ServerSideEncryption" not in asked(Connection(where, boto3.session.Session()), "get_object")


def test_a_server_that_takes_no_checksums_gets_none_and_checks_what_was_signed():
    where, session = parse_s3("s3://team"), boto3.session.Session()
    connection = Connection(where, session, Dialect(virtual=True, checksums=False))
    parts = {"Parts": [{"PartNumber": 1, "ETag": "t", "ChecksumSHA256": "c"}]}
    said = asked(connection, "complete_multipart_upload", UploadId="u", MultipartUpload=parts)
    assert said["MultipartUpload"] == {"Parts": [{"PartNumber": 1, "ETag": "t"}]}
    said = asked(Connection(where, session, connection.dialect), "put_object", Body=b"", ChecksumSHA256="c")
    assert "ChecksumSHA256" not in said
    assert connection.put_headers("checksum") == {}
    assert connection.client.meta.config.s3["payload_signing_enabled"]
    assert not open_client(where, session, Dialect(virtual=True)).meta.config.s3["payload_signing_enabled"]
