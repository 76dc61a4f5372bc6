"""The parts of an emulator profile, one record for each part of the service.

Each field has a name that no other record uses, so a profile can also be written as
one flat mapping; see ``EmulatorProfile.of``. Units stand in the names: ``_s`` is
seconds of the emulator's clock, ``_cu`` is Compute Units, ``_px`` is pixels.
"""
