"""A simulated crossing seen by two enforcement cameras, with the full truth about every vehicle.

Real footage with known violations and publishable plates does not exist for Indonesia. Here SUMO drives the traffic, so who crossed
which line when, under which lamp, is known exactly; a small software renderer shows it as a camera would.
"""
