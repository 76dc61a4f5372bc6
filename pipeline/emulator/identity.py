"""Ids in the service's style, and reproducible randomness.

Ids mean nothing to a client. Here they are digests, so that one seed gives one series
of ids.
"""

import hashlib
import json
import random

PROJECT_ID = "proj_Emu1atorProject00000001"
TEAM_ID = "team_Emu1atorTeam0000000001"
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BODY_LENGTH = 22


def make_id(prefix: str, *parts: object) -> str:
    """``job_`` and 22 characters of base 58, the same for the same parts."""
    text = "\x1f".join(str(part) for part in parts)
    number = int.from_bytes(hashlib.sha256(f"{prefix}{text}".encode()).digest()[:17])
    letters = []
    for _ in range(BODY_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[digit])
    return f"{prefix}_{''.join(letters)}"


def canonical_digest(value: object) -> str:
    """The hex SHA-256 of the canonical JSON of ``value``."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def random_of(*parts: object) -> random.Random:
    """A random generator that is seeded by these parts."""
    text = ":".join(str(part) for part in parts)
    return random.Random(text)  # noqa: S311 - reproducible, and nothing is secret
