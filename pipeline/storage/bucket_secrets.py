"""The environment → every credential of a cloud in it, which must not be shown."""

import re
from collections.abc import Iterator, Mapping

_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
    "GOOGLE_BEARER_TOKEN",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_MASTER_KEY",
    "AZURE_STORAGE_KEY",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_CONNECTION_STRING",
    "AZURE_STORAGE_CLIENT_SECRET",
    "AZURE_CLIENT_SECRET",
    "AZURE_STORAGE_TOKEN",
)
# Of a connection string, a SAS, and the key file of a service account.
_SECRET_PART = re.compile(
    r"(?:AccountKey=|SharedAccessSignature=|sig=|\"private_key\": *\")([^;&\"]+)"
)


def find_bucket_secrets(environment: Mapping[str, str]) -> Iterator[str]:
    """Every credential of a cloud, and the parts of it that may be shown alone."""
    for name in _VARIABLES:
        value = environment.get(name, "")
        yield value
        yield from _SECRET_PART.findall(value)
