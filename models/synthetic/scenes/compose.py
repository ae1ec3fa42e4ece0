"""Composes scenes: crops of vehicles, close-ups and whole scenes, with up to four plates."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etle.types import VehicleClass
from models.synthetic.plates import render_plate
from models.synthetic.scenes.backdrop import backdrop
from models.synthetic.scenes.camera import capture_scene
from models.synthetic.scenes.distractors import bars, lamp, sign
from models.synthetic.scenes.lighting import apply_daylight, apply_night, render_lights_by_day
from models.synthetic.scenes.placement import SceneLayout, random_perspective
from models.synthetic.scenes.sprites import VehicleSprite, vehicle_from_sprite
from models.synthetic.scenes.textures import Rng, chance
from models.synthetic.scenes.values import PlateSource, ScenePhoto, SceneVehicle
from models.synthetic.scenes.vehicles_2d import box_body, car, motorcycle

if TYPE_CHECKING:
    from etle.types import Image

_SIDE_PX = 500
_SCENE_FREQUENCIES = (0.25, 0.42, 0.25, 0.08)
"""Of whole scenes, crops of vehicles, close-ups, and scenes without vehicles."""
_NO_PLATE_FRACTION = 0.1
"""Fraction of vehicles without a plate."""
_MIN_PLATE_WIDTH = 0.024
"""Minimum width of a plate relative to the image; smaller ones would not be recognisable as plates and are not mounted."""
_MIN_CLOSE_UP_WIDTH = 0.2
"""From this width of the plate relative to the image on, close-up sprites are used: they have more pixels there."""


def render_plate_image(rng: Rng, motorcycle: bool) -> "Image":
    return render_plate(rng, vehicle=VehicleClass.MOTORCYCLE if motorcycle else VehicleClass.CAR).image


def _empty(rng: Rng, scene: SceneLayout) -> None:
    """No vehicle, but more signs and lamps."""
    width, height = scene.size
    for _ in range(int(rng.integers(0, 4))):
        sign(rng, scene.canvas)
        bars(rng, scene.canvas, (rng.uniform(0, width), rng.uniform(0, height)), rng.uniform(0.05, 0.3) * width)
        lamp(rng, scene.canvas, (rng.uniform(0, width), rng.uniform(0, height)), rng.uniform(0.05, 0.3) * width)


@dataclass(frozen=True, slots=True)
class Composer:
    sprites: tuple[VehicleSprite, ...] = ()
    plates: PlateSource = render_plate_image
    drawn_fraction: float = 0.3
    """Fraction of the vehicles drawn in 2D although there are sprites."""

    def compose(self, rng: Rng) -> ScenePhoto:
        night = chance(rng, 0.45)
        height, width = (int(_SIDE_PX * rng.uniform(0.7, 1.1)) for _ in range(2))
        scene = SceneLayout(backdrop(rng, height, width), night)
        (self._whole_scene, self._vehicle_crop, self._close_up, _empty)[int(rng.choice(4, p=_SCENE_FREQUENCIES))](rng, scene)
        if night:
            apply_night(rng, scene.canvas, scene.lights)
            for _ in range(int(rng.choice([0, 1, 3], p=[0.6, 0.25, 0.15]))):
                sign(rng, scene.canvas, scene.plates)
        else:
            apply_daylight(rng, scene.canvas)
            render_lights_by_day(rng, scene.canvas, scene.lights)
        return capture_scene(rng, scene.canvas, scene.plates, night=night)

    def _vehicle_crop(self, rng: Rng, scene: SceneLayout) -> None:
        """One vehicle fills the image; others may be partly visible behind it."""
        self._add_background_vehicles(rng, scene, int(rng.choice([0, 1, 2], p=[0.5, 0.3, 0.2])))
        self._add_main_vehicle(rng, scene, (0.12, 0.36), 0.6)

    def _close_up(self, rng: Rng, scene: SceneLayout) -> None:
        self._add_background_vehicles(rng, scene, int(rng.integers(0, 4)))
        self._add_main_vehicle(rng, scene, (0.28, 0.72), 0.7)

    def _add_background_vehicles(self, rng: Rng, scene: SceneLayout, count: int) -> None:
        width, height = scene.size
        for _ in range(count):
            self._add_vehicle(rng, scene, rng.uniform(0.05, 0.2), (rng.uniform(0, width), rng.uniform(0.1, 0.6) * height), 0.45)

    def _add_main_vehicle(self, rng: Rng, scene: SceneLayout, widths: tuple[float, float], motorcycle: float) -> None:
        """Place the main vehicle, in up to four attempts until it hides no plate partly. `widths`: of the plate relative to the image."""
        width, height = scene.size
        plate_width = float(np.exp(rng.uniform(*np.log(widths))))
        for _ in range(4):
            centre = (rng.normal(0.5, 0.1) * width, rng.uniform(0.3, 0.85) * height)
            if self._add_vehicle(rng, scene, plate_width, centre, motorcycle):
                return

    def _whole_scene(self, rng: Rng, scene: SceneLayout) -> None:
        width, height = scene.size
        count = int(rng.integers(1, 7))
        largest = rng.uniform(0.05, 0.2)
        for nearness in np.sort(rng.uniform(0.15, 1, count)):  # the distant ones first
            at = (rng.uniform(0.03, 0.97) * width, (0.3 + 0.5 * nearness + rng.normal(0, 0.05)) * height)
            self._add_vehicle(rng, scene, float(largest * nearness), at, 0.45)

    def _add_vehicle(self, rng: Rng, scene: SceneLayout, plate_width: float, at: tuple[float, float], motorcycle: float) -> bool:
        two_wheels = chance(rng, motorcycle)
        plate = self.plates(rng, two_wheels)
        vehicle = self._vehicle(rng, plate_width, two_wheels, plate.shape[1] / plate.shape[0])
        bare = plate_width < _MIN_PLATE_WIDTH or chance(rng, _NO_PLATE_FRACTION) or len(scene.plates) >= 4
        matrix = random_perspective(rng, vehicle, plate_width * scene.size[0], at, motorcycle=two_wheels)
        return scene.add(rng, vehicle, matrix, None if bare else plate)

    def _vehicle(self, rng: Rng, plate_width: float, two_wheels: bool, ratio: float) -> SceneVehicle:
        """`plate_width`: relative to the image; `ratio`: width to height of the plate."""
        fitting = [one for one in self.sprites if one.motorcycle == two_wheels and one.close == (plate_width > _MIN_CLOSE_UP_WIDTH)]
        if fitting and not chance(rng, self.drawn_fraction):
            return vehicle_from_sprite(rng, fitting[rng.integers(len(fitting))])
        if two_wheels:
            return motorcycle(rng, ratio)
        return (box_body if chance(rng, 0.2) else car)(rng, ratio)
