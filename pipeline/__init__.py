"""Turns a manifest of prompts and reference art into verified asset files."""
