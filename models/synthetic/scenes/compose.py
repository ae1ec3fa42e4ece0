"""The mix: crops of vehicles, close-ups and whole scenes, with up to four plates or none."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etle.types import VehicleClass
from models.synthetic.plates import render_plate
from models.synthetic.scenes.backdrop import backdrop
from models.synthetic.scenes.camera import photographed
from models.synthetic.scenes.distractors import bars, lamp, sign
from models.synthetic.scenes.lighting import lit_by_day, lit_by_night, shine_by_day
from models.synthetic.scenes.placement import SceneLayout, seen
from models.synthetic.scenes.sprites import VehicleSprite, vehicle_of
from models.synthetic.scenes.textures import Rng, chance
from models.synthetic.scenes.values import PlateSource, ScenePhoto, SceneVehicle
from models.synthetic.scenes.vehicles_2d import box_body, car, motorcycle

if TYPE_CHECKING:
    from etle.types import Image

_SIDE_PX = 500
_SHARES = (0.25, 0.42, 0.25, 0.08)
"""Of whole scenes, crops of vehicles, close-ups, and scenes without vehicles."""
_BARE = 0.1
"""Of the vehicles, those without a plate."""
_SMALLEST = 0.024
"""Of the picture's width; smaller plates are left off, for nobody could tell them from anything else."""

_CLOSER = 0.2
"""From this share of the picture's width on, close portraits are sharper than whole ones."""


def rendered(rng: Rng, motorcycle: bool) -> "Image":
    return render_plate(rng, vehicle=VehicleClass.MOTORCYCLE if motorcycle else VehicleClass.CAR).image


def _empty(rng: Rng, scene: SceneLayout) -> None:
    """No vehicle, more boards and lamps."""
    width, height = scene.size
    for _ in range(int(rng.integers(0, 4))):
        sign(rng, scene.canvas)
        bars(rng, scene.canvas, (rng.uniform(0, width), rng.uniform(0, height)), rng.uniform(0.05, 0.3) * width)
        lamp(rng, scene.canvas, (rng.uniform(0, width), rng.uniform(0, height)), rng.uniform(0.05, 0.3) * width)


@dataclass(frozen=True, slots=True)
class Composer:
    portraits: tuple[VehicleSprite, ...] = ()
    plates: PlateSource = rendered
    drawn: float = 0.3
    """Of the vehicles, those that are drawn flat though there are portraits."""

    def picture(self, rng: Rng) -> ScenePhoto:
        night = chance(rng, 0.45)
        height, width = (int(_SIDE_PX * rng.uniform(0.7, 1.1)) for _ in range(2))
        scene = SceneLayout(backdrop(rng, height, width), night)
        (self._whole, self._crop, self._close, _empty)[int(rng.choice(4, p=_SHARES))](rng, scene)
        if night:
            lit_by_night(rng, scene.canvas, scene.lights)
            for _ in range(int(rng.choice([0, 1, 3], p=[0.6, 0.25, 0.15]))):
                sign(rng, scene.canvas, scene.plates)
        else:
            lit_by_day(rng, scene.canvas)
            shine_by_day(rng, scene.canvas, scene.lights)
        return photographed(rng, scene.canvas, scene.plates, night=night)

    def _crop(self, rng: Rng, scene: SceneLayout) -> None:
        """One vehicle fills the picture; others may look in behind it."""
        self._behind(rng, scene, int(rng.choice([0, 1, 2], p=[0.5, 0.3, 0.2])))
        self._before(rng, scene, (0.12, 0.36), 0.45)

    def _close(self, rng: Rng, scene: SceneLayout) -> None:
        self._behind(rng, scene, int(rng.integers(0, 4)))
        self._before(rng, scene, (0.28, 0.72), 0.7)

    def _behind(self, rng: Rng, scene: SceneLayout, count: int) -> None:
        width, height = scene.size
        for _ in range(count):
            self._put(rng, scene, rng.uniform(0.05, 0.2), (rng.uniform(0, width), rng.uniform(0.1, 0.6) * height), 0.45)

    def _before(self, rng: Rng, scene: SceneLayout, shares: tuple[float, float], motorcycle: float) -> None:
        """The vehicle that the picture is of; put elsewhere until it hides no plate."""
        width, height = scene.size
        share = float(np.exp(rng.uniform(*np.log(shares))))
        for _ in range(4):
            middle = (rng.normal(0.5, 0.1) * width, rng.uniform(0.3, 0.85) * height)
            if self._put(rng, scene, share, middle, motorcycle):
                return

    def _whole(self, rng: Rng, scene: SceneLayout) -> None:
        width, height = scene.size
        count = int(rng.integers(1, 7))
        largest = rng.uniform(0.05, 0.2)
        for nearness in np.sort(rng.uniform(0.15, 1, count)):  # the far ones first
            at = (rng.uniform(0.03, 0.97) * width, (0.3 + 0.5 * nearness + rng.normal(0, 0.05)) * height)
            self._put(rng, scene, float(largest * nearness), at, 0.45)

    def _put(self, rng: Rng, scene: SceneLayout, share: float, at: tuple[float, float], motorcycle: float) -> bool:
        two_wheels = chance(rng, motorcycle)
        plate = self.plates(rng, two_wheels)
        vehicle = self._vehicle(rng, share, two_wheels, plate.shape[1] / plate.shape[0])
        bare = share < _SMALLEST or chance(rng, _BARE) or len(scene.plates) >= 4
        matrix = seen(rng, vehicle, share * scene.size[0], at, motorcycle=two_wheels)
        return scene.add(rng, vehicle, matrix, None if bare else plate)

    def _vehicle(self, rng: Rng, share: float, two_wheels: bool, ratio: float) -> SceneVehicle:
        """`share`: what the plate takes of the picture's width; `ratio`: its width to its height."""
        fitting = [one for one in self.portraits if one.motorcycle == two_wheels and one.close == (share > _CLOSER)]
        if fitting and not chance(rng, self.drawn):
            return vehicle_of(rng, fitting[rng.integers(len(fitting))])
        if two_wheels:
            return motorcycle(rng, ratio)
        return (box_body if chance(rng, 0.2) else car)(rng, ratio)
