"""Measurements: `python -m benchmarks` runs all that need no GPU, `... NAME` runs one."""
