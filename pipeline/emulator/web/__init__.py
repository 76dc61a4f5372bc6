"""The emulator over HTTP: routes, answers, the CDN, and the server that holds them."""
