"""Our rules on traffic that Eclipse SUMO simulates, seen through virtual cameras, against SUMO's own states: `etle evaluate tracks --sumo`.

The truth (`truth.py`) uses nothing of the rules' code: it reads the positions, speeds and signals of SUMO in metres and seconds.
"""
