"""The output folder of a manifest: whose it is, its lock, its ledger, its own files."""
