"""Synthetic scenes for the plate detector's training: plates, boxes, and reproducibility by seed."""

import zipfile
from dataclasses import replace
from itertools import islice

import cv2
import numpy as np
import pytest

from etle.errors import WeightsError
from models.synthetic.scenes import compose
from models.synthetic.scenes.backdrop import backdrop
from models.synthetic.scenes.camera import capture_scene
from models.synthetic.scenes.compose import Composer
from models.synthetic.scenes.distractors import bars, cone, lamp, sign, sticker
from models.synthetic.scenes.placement import SceneLayout, random_perspective
from models.synthetic.scenes.sprites import read_sprites, vehicle_from_sprite
from models.synthetic.scenes.values import ScenePhoto, box_of
from models.synthetic.scenes.vehicles_2d import box_body, car, motorcycle
from models.training.detector_batches import batches

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def composer() -> Composer:
    return Composer(read_sprites())


def photos(composer: Composer, seed: int, count: int) -> list[ScenePhoto]:
    rng = np.random.default_rng(seed)
    return [composer.compose(rng) for _ in range(count)]


def test_the_seed_determines_the_photos(composer):
    first, again, other = (photos(composer, seed, 3) for seed in (1, 1, 2))
    for a, b in zip(first, again, strict=True):
        assert np.array_equal(a.image, b.image)
        assert np.array_equal(np.array(a.plates), np.array(b.plates))
    assert any(a.image.shape != b.image.shape or not np.array_equal(a.image, b.image) for a, b in zip(first, other, strict=True))


def test_boxes_enclose_the_corners_of_the_plates_inside_the_photo(composer):
    some = photos(composer, 3, 30)
    assert sum(len(photo.plates) for photo in some) > 10
    for photo in some:
        height, width = photo.image.shape[:2]
        for box, quad in zip(photo.boxes(), photo.plates, strict=True):
            assert 0 <= box.x1 < box.x2 <= width
            assert 0 <= box.y1 < box.y2 <= height
            low, high = quad.min(axis=0).clip(0, (width, height)), quad.max(axis=0).clip(0, (width, height))
            assert np.allclose(box, (*low, *high))


def test_photos_have_zero_to_four_plates(composer):
    counts = [len(photo.plates) for photo in photos(composer, 4, 40)]
    assert max(counts) <= 4
    assert 0 in counts


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("draw", [car, motorcycle, box_body])
def test_a_mounted_plate_fills_its_box(draw, seed):
    bare, worn = (SceneLayout(np.zeros((400, 480, 3), np.float32)) for _ in range(2))
    for scene, mounted in ((bare, None), (worn, plate())):
        rng = np.random.default_rng(seed)
        vehicle = replace(draw(rng, 2.8), motorcycle=False)  # without cables in front of the plate
        assert scene.add(rng, vehicle, random_perspective(rng, vehicle, 120, (240, 200), motorcycle=draw is motorcycle), mounted)
    assert [len(scene.plates) for scene in (bare, worn)] == [0, 1]
    ys, xs = np.nonzero(abs(bare.canvas - worn.canvas).max(axis=2) > 1)
    changed = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
    assert np.allclose(changed, box_of(worn.plates[0], 480, 400), atol=1.5)


@pytest.mark.parametrize("close", [False, True])
def test_the_plate_of_a_sprite_has_the_requested_position_and_width(close):
    rng = np.random.default_rng(5)
    sprite = next(one for one in read_sprites() if one.close is close and not one.motorcycle)
    vehicle = vehicle_from_sprite(rng, sprite)
    scene = SceneLayout(np.zeros((400, 480, 3), np.float32))
    scene.add(rng, vehicle, random_perspective(rng, vehicle, 150, (200, 180), motorcycle=False), plate())
    box = box_of(scene.plates[0], 480, 400)
    assert (box.x1 + box.x2) / 2 == pytest.approx(200, abs=8)
    assert (box.y1 + box.y2) / 2 == pytest.approx(180, abs=8)
    assert box.x2 - box.x1 == pytest.approx(150, rel=0.35)


def test_a_vehicle_that_would_hide_part_of_a_plate_is_not_placed():
    rng = np.random.default_rng(6)
    scene = SceneLayout(np.zeros((400, 480, 3), np.float32))
    behind, before = car(rng, 2.8), car(rng, 2.8)
    assert scene.add(rng, behind, random_perspective(rng, behind, 100, (240, 200), motorcycle=False), plate())
    canvas = scene.canvas.copy()
    assert not scene.add(rng, before, np.array([[0.2, 0, 240], [0, 0.2, 160], [0, 0, 1.0]]), plate())
    assert np.array_equal(canvas, scene.canvas)


def test_a_plate_mostly_outside_the_photo_is_not_mounted():
    rng = np.random.default_rng(7)
    scene = SceneLayout(np.zeros((400, 480, 3), np.float32))
    vehicle = car(rng, 2.8)
    assert scene.add(rng, vehicle, random_perspective(rng, vehicle, 100, (5, 200), motorcycle=False), plate())
    assert scene.plates == []


def test_corners_follow_the_geometry_of_the_camera():
    for seed in range(25):
        canvas = np.full((300, 400, 3), 60, np.float32)
        quad = np.array([(150, 120), (260, 125), (258, 165), (148, 160)], np.float32)
        cv2.fillPoly(canvas, [quad.astype(np.int32)], (230, 230, 230))
        photo = capture_scene(np.random.default_rng(seed), canvas, [quad], night=False)
        ys, xs = np.nonzero(photo.image.mean(axis=2) > (float(photo.image.max()) + 60) / 2)
        found = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
        assert np.allclose(found, photo.boxes()[0], atol=9), seed


def test_an_invisible_plate_is_not_reported():
    quad = np.array([(50, 50), (90, 50), (90, 65), (50, 65)], np.float32)
    dark = capture_scene(np.random.default_rng(1), np.zeros((120, 160, 3), np.float32), [quad], night=True)
    assert dark.plates == ()


@pytest.mark.parametrize("draw", [lamp, sticker, cone, bars])
def test_a_distractor_is_drawn_at_the_requested_position(draw):
    canvas = np.full((200, 240, 3), 90, np.float32)
    draw(np.random.default_rng(8), canvas, (120, 120), 50)
    ys, xs = np.nonzero(abs(canvas - 90).max(axis=2) > 3)
    assert len(ys) > 20
    assert abs(np.median(xs) - 120) < 60
    assert abs(np.median(ys) - 120) < 60


def test_signs_contain_no_plates():
    rng = np.random.default_rng(8)
    scene = SceneLayout(backdrop(rng, 200, 240))
    before = scene.canvas.copy()
    sign(rng, scene.canvas)
    assert not np.array_equal(before, scene.canvas)
    assert scene.plates == []


def test_a_sign_hides_no_plate():
    quad = np.array([(60, 60), (180, 60), (180, 140), (60, 140)], np.float32)
    for seed in range(40):
        canvas = np.full((200, 240, 3), 90, np.float32)
        sign(np.random.default_rng(seed), canvas, [quad])
        assert (canvas[60:140, 60:180] == 90).all(), seed


def test_plates_are_rendered_for_cars_and_motorcycles():
    asked = []

    def source(rng, is_motorcycle):
        asked.append(is_motorcycle)
        return compose.render_plate_image(rng, is_motorcycle)

    photos(Composer(read_sprites(), plates=source), 9, 12)
    assert set(asked) == {True, False}


def test_without_sprites_vehicles_are_drawn_in_2d():
    assert any(photo.plates for photo in photos(Composer(), 10, 8))


def test_sprites_show_both_sides_of_cars_and_motorcycles_with_the_plate_inside():
    sprites = read_sprites()
    assert {(one.rear, one.motorcycle, one.close) for one in sprites} == {(a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)}
    for one in sprites[:20]:
        vehicle = vehicle_from_sprite(np.random.default_rng(0), one)
        height, width = vehicle.mask.shape
        assert ((one.quad >= 0) & (one.quad <= (width, height))).all()


def test_a_missing_or_damaged_archive_is_named(tmp_path):
    with pytest.raises(WeightsError, match=r"none\.zip"):
        read_sprites(tmp_path / "none.zip")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    with pytest.raises(WeightsError, match=r"empty\.zip"):
        read_sprites(tmp_path / "empty.zip")


def test_batches_are_square_with_boxes_inside_and_determined_by_the_seed(composer):
    first, again = (list(islice(batches(composer, 11, size=192, count=6), 3)) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        assert np.array_equal(a.images, b.images)
        assert np.array_equal(a.boxes, b.boxes)
        side = a.images.shape[1]
        assert a.images.shape[2] == side
        assert side % 32 == 0
        corners = np.concatenate([a.boxes[:, :2] - a.boxes[:, 2:] / 2, a.boxes[:, :2] + a.boxes[:, 2:] / 2])
        assert ((corners >= -1e-6) & (corners <= 1 + 1e-6)).all()
        assert (a.image_indices < len(a.images)).all()
    assert sum(len(batch.boxes) for batch in first) > 4


def plate() -> np.ndarray:
    return np.full((60, 168, 3), (255, 0, 255), np.uint8)
