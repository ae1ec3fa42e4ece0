"""Synthetic signal heads for training and testing the lamp reader.

surroundings (sky, buildings, trees, other lights) -> head (housing, lenses, lit lamps) -> occluders -> camera -> drawn box. Light is linear
until the camera, so that bright lamps burn out as they do on a sensor. Everything is determined by the random generator.
"""

from models.synthetic.signals.sample import SignalSample, draw_sample

__all__ = ["SignalSample", "draw_sample"]
