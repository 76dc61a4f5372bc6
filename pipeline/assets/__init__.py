"""The data plane: a signed URL → a checked file in its place, with a sidecar beside it.

Bytes meet no money here: what is paid for, and when, is decided elsewhere.
"""
