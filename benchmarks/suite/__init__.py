"""What the benchmarks share, and the benchmarks: one module each.

``children`` holds the programs that are measured, or that serve; each runs in a
process of its own and imports nothing from here.
"""
