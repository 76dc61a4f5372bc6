"""THE SERVICE: the only folder that speaks HTTP to it and to its CDN.

``interface`` is what the rest of the package sees; ``client`` and ``cdn`` are the
real ones; ``wire`` reads the service's JSON; ``errors_of`` turns answers and
aiohttp's errors into ours; ``retry`` and ``pacing`` say when to ask again.
"""
