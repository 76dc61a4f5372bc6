"""The product's command on uvloop's event loop: ``python with_uvloop.py COMMAND …``."""

import asyncio
import sys

import uvloop

from pipeline.cli.main import main

if __name__ == "__main__":
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    main(sys.argv[1:])
