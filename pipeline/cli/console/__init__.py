"""The terminal: progress, text, money, questions, streams; contains no command."""
