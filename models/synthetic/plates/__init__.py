"""Number plates that nobody owns: drawn, photographed in bad light, and cut out as a finder would, to train and test readers with.

plate (typeface, layout, paint) -> seen (pose, light, sensor); clutter for what is no plate. All of it follows from the random generator.
"""

from models.synthetic.plates.capture import seen
from models.synthetic.plates.negatives import no_plate
from models.synthetic.plates.plate import render_plate
from models.synthetic.plates.values import CapturedPlate, RenderedPlate

__all__ = ["CapturedPlate", "RenderedPlate", "no_plate", "render_plate", "seen"]
