"""The emulator over HTTP: the server, its routes, the CDN, and how faults look."""
