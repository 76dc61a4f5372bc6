"""The pictures of the emulator: small scenes, the same for the same prompt and seed."""
