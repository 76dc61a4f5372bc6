"""Thumbnails on a terminal: by the protocols of kitty, iTerm2 or sixel, or by blocks.

``terminal`` finds out what the terminal can show, ``sheet`` draws files side by side,
``encoding`` and ``sixel`` turn a picture into what the terminal reads.
"""
