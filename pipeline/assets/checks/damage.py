"""What every check raises."""


class Damaged(Exception):
    """The file is damaged, truncated, or not what it claims to be."""
