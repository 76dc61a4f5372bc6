"""What we remember: the SQLite record of every job, upload and run.

``ledger`` reads and writes rows, ``migrations`` brings an older file up to date,
``writer`` groups what is ready together into one commit. Alone imports ``sqlite3``.
"""
