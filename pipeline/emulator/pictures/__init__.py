"""What a prompt is drawn as: a small picture, the same for the same seed."""
