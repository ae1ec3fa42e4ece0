"""A simulated junction filmed by two enforcement cameras, with complete ground truth for every vehicle.

There is no real footage of Indonesian roads with known violations and publishable plates. SUMO simulates the traffic, so the time at
which each vehicle crosses each line, and the signal at that time, are known exactly; a small software renderer draws the camera pictures.
"""
