"""One execution of a plan: its tasks, and the job state between the stages.

``session`` holds what the runs on one connection share. ``run`` drives each job through
its life in one coroutine; ``submission`` enforces the money rule; ``watching`` follows
a job from the service's id to its end; ``recovery`` resumes what an earlier run left
unfinished; ``reconciling`` compares the service's job list with the ledger; ``records``
writes the ledger and notifies the listener; ``stopping`` decides when to stop
submitting.
"""
