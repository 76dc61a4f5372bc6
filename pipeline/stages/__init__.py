"""The control plane: what happens to a job at the service, from upload to its end.

In order::

    uploader → submit (``running.submission``) → poller → resolver → ``assets``
                   └→ settler (when the answer is lost)

Stages talk to the service, never to the ledger: each takes a Job or an id
and gives back what came of it; ``running`` remembers between them. ``slots`` is the
limit on jobs in flight that submitter and poller share.
"""
