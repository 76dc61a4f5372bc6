"""The command line: the only part that reads argv and the environment, and prints."""
