"""What we assume about the service, checked with the service itself.

``assumptions`` has the list, as data. ``inquiry`` asks a service: ``model_probes``,
``file_probes`` and ``job_probes`` are free, ``paid_probes`` are not. ``contract_file``
stores the answers, without secrets, and ``fixtures`` the exchanges they come from.
``rehearsal`` turns answers into knobs of the emulator.
"""
