"""ONE EXECUTION of a plan: every task group, and what is remembered between stages.

``run`` is one job's life as one coroutine; ``submission`` is the money rule;
``watching`` is from the service's job id to its end; ``recovery`` takes up what an
earlier run left; ``records`` writes the ledger and tells of it; ``stopping`` says
when nothing more may be submitted.
"""
