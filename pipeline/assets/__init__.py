"""The data plane: a signed URL → a checked file in place, with a sidecar beside it.

Nothing here spends money: what is paid for, and when, is decided elsewhere.
"""
