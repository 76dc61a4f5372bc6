"""Doubles for our own seams, and what tests of several rooms set up and look at."""
