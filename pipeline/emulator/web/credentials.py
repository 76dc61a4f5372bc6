"""The credentials of a request, and the author that they belong to."""

import base64
import binascii

from pipeline.emulator.identity import make_id
from pipeline.emulator.profiles.limits import LimitsProfile
from pipeline.emulator.refusal import Refused

UNAUTHORIZED = "Unauthorized"


def author_of(authorization: str, limits: LimitsProfile) -> str:
    """The author who sends this ``Authorization`` header.

    Raises:
        Refused: 401: it has no key and secret, or they are not accepted.
    """
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise Refused(401, UNAUTHORIZED)
    try:
        text = base64.b64decode(token, validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Refused(401, UNAUTHORIZED) from error
    key, colon, secret = text.partition(":")
    if not (key and colon and secret):
        raise Refused(401, UNAUTHORIZED)
    accepted = limits.accepted_keys
    if accepted is not None and accepted.get(key) != secret:
        raise Refused(401, UNAUTHORIZED)
    return make_id("apiu", "" if limits.same_author else key)
