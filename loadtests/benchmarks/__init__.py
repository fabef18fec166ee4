"""Benchmarks: what a running `serve` can do, beside others in the same run, as one line of JSON."""
