"""Drivers of the stages: `embedded` runs a site in one process; `detect` and `write` are workers between Kafka topics.

Outputs are flushed before checkpoints and offsets are committed. A worker may be killed at any time: the next one processes the same
frames again, and the same frames give the same violation ids.
"""
