"""Doubles for our own seams: clocks, the service and its CDN."""
