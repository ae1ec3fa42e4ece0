"""Footage of the simulated junction: which of its violations does the stage find, and which do tracker and rules find in perfect boxes?"""
