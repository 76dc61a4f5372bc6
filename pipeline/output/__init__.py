"""The output folder of a manifest: its owner, lock, ledger and own files."""
