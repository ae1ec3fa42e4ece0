"""Synthetic videos, simulated cameras and a clock, for tests of sources."""
