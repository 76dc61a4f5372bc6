"""Executors: assets fetched in other processes, or on the machines of a cluster.

``elsewhere`` is the executor that a run sees. It hands tasks to *workers*: a process
pool or a Dask cluster. On a worker, ``fetcher`` carries a task out.
"""
