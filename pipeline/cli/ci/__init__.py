"""What a CI system gets beside the output of a command: reports, and GitHub's files."""
