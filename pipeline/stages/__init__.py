"""The control plane: everything that happens to a job at the service.

In order::

    uploader → submit (``running.submission``) → poller → resolver → ``assets``
                   └→ settler (when the answer is lost)

- ``uploader`` uploads reference files.
- ``slots`` limits the jobs in flight.
- ``poller`` watches submitted jobs until they end.
- ``resolver`` reads asset records in batches.
- ``settler`` finds out what became of submits whose answer was lost. It uses
  ``reading`` (the job list), ``matching`` (which job belongs to which submit),
  ``identity`` (which jobs may be ours) and ``unanswered`` (submits in progress).

Stages talk to the service and never write to the ledger: each takes a Job or an id and
returns the outcome, and ``running`` records it.
"""
