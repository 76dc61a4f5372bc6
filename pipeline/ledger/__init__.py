"""The ledger: the SQLite record of every job, upload and run.

``ledger`` reads and writes rows, ``rows`` and ``facts`` convert them, ``connection``
opens the file, ``migrations`` upgrades an older file, and ``writer`` writes with group
commit. No other package imports ``sqlite3``.
"""
