"""The terminal: progress, text, money, questions, streams. No command lives here."""
