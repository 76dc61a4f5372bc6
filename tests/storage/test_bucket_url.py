"""URLs of stores: what they name, and what is refused; messages about buckets."""

from pathlib import Path

import pytest

from pipeline.errors import OutputError, UsageError
from pipeline.storage.bucket_errors import bucket_errors, obstore
from pipeline.storage.bucket_secrets import find_bucket_secrets
from pipeline.storage.bucket_url import (
    parse_bucket_url,
    parse_store_url,
)

S3 = parse_bucket_url("s3://art/trees", {})


@pytest.mark.parametrize("url", ["s3://art/a/b", "gs://art/a/b/", "az://art//a/b"])
def test_a_url_names_a_bucket_and_a_prefix(url):
    found = parse_bucket_url(url, {})

    assert (found.bucket, found.prefix) == ("art", "a/b")
    assert found.of("oak.png") == f"{url[:2]}://art/a/b/oak.png"


def test_a_folder_is_named_in_full():
    assert parse_store_url("file:///mnt/my%20art", {}) == Path("/mnt/my art")


@pytest.mark.parametrize(
    "url",
    [
        "art/trees",
        "ftp://art/trees",
        "s3://",
        "s3:///trees",
        "s3://art/../other",
        "s3://key:secret@art/trees",
        "s3://art/trees?versionId=1",
        "file://host/share",
    ],
)
def test_anything_else_is_refused_with_an_example(url):
    with pytest.raises(UsageError) as error:
        parse_store_url(url, {})

    assert "secret" not in error.value.message
    assert "://" in error.value.hint


def test_plain_http_is_allowed_to_this_machine_alone():
    def options(endpoint):
        return parse_bucket_url(
            "s3://art", {"AWS_ENDPOINT_URL": endpoint}
        ).client_options

    assert options("http://127.0.0.1:9000") == {"allow_http": True}
    assert options("http://localhost:9000") == {"allow_http": True}
    assert options("http://minio.example.com") == {}
    assert options("https://minio.example.com") == {}


def test_every_part_of_a_credential_is_a_secret():
    secrets = set(
        find_bucket_secrets(
            {
                "AWS_SECRET_ACCESS_KEY": "aws secret",
                "AZURE_STORAGE_CONNECTION_STRING": "A=b;AccountKey=azure key;C=d",
                "AZURE_STORAGE_SAS_TOKEN": "sv=1&sig=sas%2Bsig&se=2",
                "GOOGLE_SERVICE_ACCOUNT_KEY": '{"private_key": "google key"}',
            }
        )
    )

    assert {"aws secret", "azure key", "sas%2Bsig", "google key"} <= secrets


@pytest.mark.parametrize(
    ("text", "reason", "hint"),
    [
        ("…<Code>NoSuchBucket</Code>", "NoSuchBucket", "create the bucket 'art'"),
        (
            "x: <Code>AccessDenied</Code><Message>Access Denied.</Message>",
            "AccessDenied (Access Denied)",
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ),
        (
            "x: this normally indicates an incorrectly configured region",
            "the bucket is in another region",
            "set AWS_REGION",
        ),
        (
            "Error performing PUT http://169.254.169.254/latest: timed out",
            "no credentials were found",
            "set AWS_ACCESS_KEY_ID",
        ),
        (
            "Generic S3 error: out of luck\n\nDebug source:\nGeneric {}",
            "out of luck",
            "check the network",
        ),
        (
            "<Code>AuthorizationHeaderMalformed</Code><Message>the region is wrong",
            "AuthorizationHeaderMalformed (the region is wrong)",
            "set AWS_REGION",
        ),
        (
            "403: <Code>RequestTimeTooSkewed</Code>",
            "RequestTimeTooSkewed",
            "set the clock of this machine",
        ),
        ("400: <Code>ExpiredToken</Code>", "ExpiredToken", "these credentials are of"),
        ("400: <Code>BadDigest</Code>", "BadDigest", "the file was damaged on its way"),
        ("<Code>InsufficientStorage</Code>", "InsufficientStorage", "make room"),
        ("503: <Code>SlowDown</Code>", "SlowDown", "wait a minute"),
        (
            "GET http://s3.example.com/403: builder error\n\nDebug source:\nBadScheme",
            "plain http is allowed to this machine alone",
            "write https:// in AWS_ENDPOINT_URL",
        ),
        (
            'x: error sending request\n\nDebug source:\nConnectError("dns error")',
            "no server of this name was found",
            "check AWS_ENDPOINT_URL",
        ),
        (
            "x: error sending request\n\nDebug source:\nkind: ConnectionRefused",
            "the server takes no connection",
            "check AWS_ENDPOINT_URL",
        ),
        (
            "Generic S3 error: ETag Header missing from response",
            "ETag Header missing from response",
            "check AWS_ENDPOINT_URL: what answers there is no store",
        ),
        (
            "GET http://127.0.0.1/art-403/NoSuchBucket: it was cut off",
            "it was cut off",
            "check the network",
        ),
        ("x: Account must be specified", "Account must be specified", "set AWS_ACC"),
    ],
)
def test_an_error_says_what_to_do_next(text, reason, hint):
    def fail():
        with bucket_errors(S3, "write to", "oak.png"):
            raise obstore().exceptions.GenericError(text)

    with pytest.raises(OutputError) as error:
        fail()

    assert error.value.message == f"cannot write to s3://art/trees/oak.png: {reason}"
    assert error.value.hint.startswith(hint)


def test_a_missing_object_is_an_error_only_where_something_is_written():
    def fail(what):
        with bucket_errors(S3, what):
            raise FileNotFoundError("gone")

    with pytest.raises(FileNotFoundError):
        fail("read from")
    with pytest.raises(OutputError):
        fail("write to")


def test_without_the_extra_the_command_to_install_it_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "obstore", None)

    with pytest.raises(UsageError) as error:
        obstore()

    assert error.value.hint == "pip install 'scenario-pipeline[stores]'"
