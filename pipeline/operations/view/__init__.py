"""View: galleries that follow what happens, and take decisions and orders for redos.

``session`` serves the manifests, ``desk`` is one of them, ``watching`` finds what has
changed, ``deciding`` writes decisions, ``redoing`` carries out redos, and ``spending``
holds what they may cost together.
"""
