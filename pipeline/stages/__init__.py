"""The data flow.

In order::

    uploader → submitter → poller → resolver → downloader → sidecar
                   └→ settler (when the answer is lost)

Stages talk to the service and the disk, never to the ledger: each takes a Job or an
id and gives back what came of it. ``run.py`` remembers between them. ``slots`` is
the limit on jobs in flight that submitter and poller share.
"""
