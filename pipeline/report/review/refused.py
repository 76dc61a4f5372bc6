"""Refused: an answer that is no success, with a sentence and the next step."""


class Refused(Exception):
    """A request is not carried out.

    Args:
        status: The HTTP status, such as 409.
        message: Why, one sentence.
        hint: The next step, or "".
    """

    def __init__(self, status: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.hint = hint
