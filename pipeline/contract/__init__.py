"""What we take for granted about the service, asked of the service itself.

``assumptions`` has the list, as data. ``free_probes`` and ``paid_probes`` ask a real
service; ``contract_file`` keeps the answers, without any secret, and ``fixtures`` the
exchanges they come from. ``rehearsal`` turns answers into knobs of the emulator.
"""
