"""What each command does, one file per verb. How it is asked and shown is ``cli``'s."""
