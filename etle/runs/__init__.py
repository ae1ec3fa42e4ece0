"""Runs of reprocessing: what they process, and how what they found compares with the cases or with another run."""
