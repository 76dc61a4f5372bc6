"""Text of others → text in which every character can be seen. Pure."""


def visible(text: str, *, keep: str = "") -> str:
    r"""The text with an escape, such as ``\u202e``, for each character without a sign.

    Controls, marks that turn the direction of writing, and characters of no width could
    make a text look like another one, or control a terminal.

    Args:
        text: Any text.
        keep: Characters without a sign that stay, such as line ends.
    """
    if text.isprintable():
        return text
    return "".join(
        char
        if char.isprintable() or char in keep
        else char.encode("unicode_escape").decode()
        for char in text
    )
