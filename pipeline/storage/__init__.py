"""Files on disk: written whole or not at all, and checks on what a path may be."""
