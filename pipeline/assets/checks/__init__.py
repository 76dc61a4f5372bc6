"""Whether a downloaded file is complete, and its width and height; by media type."""
