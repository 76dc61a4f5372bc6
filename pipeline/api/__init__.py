"""The service: the only folder that speaks HTTP to it and to its CDN.

``interface`` is what the rest of the package sees; ``client`` and ``cdn`` implement it.
``wire`` reads the service's JSON; ``answers`` turns error answers and aiohttp's errors
into ours; ``retry`` repeats free calls; ``rate_limiter`` limits the rate of requests.
"""
