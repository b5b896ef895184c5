"""The benchmark: how fast restow is beside the tools people would otherwise use. Run it with ``make bench``."""
