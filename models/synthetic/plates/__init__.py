"""Synthetic number plates for training and testing readers: rendered, degraded by light and camera, and cropped as a detector would.

plate (typeface, layout, paint) -> capture (pose, occlusion, light, sensor); negatives for images without a plate. Everything is determined
by the random generator.
"""

from models.synthetic.plates.capture import capture_plate
from models.synthetic.plates.negatives import render_negative
from models.synthetic.plates.plate import render_plate
from models.synthetic.plates.values import CapturedPlate, RenderedPlate

__all__ = ["CapturedPlate", "RenderedPlate", "capture_plate", "render_negative", "render_plate"]
