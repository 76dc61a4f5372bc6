"""Questions on the terminal."""

import io

from pipeline.cli.console import asking


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise OSError("it has no descriptor")


def test_a_question_breaks_between_words(monkeypatch):
    shown = _Terminal()
    monkeypatch.setattr("sys.stderr", shown)
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    monkeypatch.setattr("select.select", lambda *_lists: None)
    monkeypatch.setenv("COLUMNS", "40")

    answer = asking.ask("Words that all prompts share", "bold outline, plain")

    assert answer == "bold outline, plain"
    assert shown.getvalue() == (
        "Words that all prompts share [bold\n  outline, plain]: "
    )
