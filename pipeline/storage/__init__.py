"""Bytes at rest: files that are whole or not there, and what a path may be."""
