"""What every head reader does."""

import numpy as np
import onnx
import pytest
from miniature_yolo import blob_finder

from etle.errors import EtleError, WeightsError, WeightsMissing
from etle.protocols import HeadReader
from etle.testing.engines import FixedHeadReader
from etle.types import Box, Headgear, RiderHead
from models.heads import STEM_WEIGHTS, open_head_reader
from models.heads.network import DetectorStem, HeadNetwork
from models.heads.reader import NetworkHeadReader
from models.synthetic.heads import draw_heads
from models.synthetic.heads.values import HeadState
from models.weights.locate import weight


@pytest.fixture(scope="module", params=["network", "fake"])
def reader(request: pytest.FixtureRequest) -> HeadReader:
    if request.param == "fake":
        return FixedHeadReader((RiderHead(box=Box(50, 40, 80, 75), found=0.9, headgear=Headgear.HELMET, score=0.8),))
    try:
        return open_head_reader()
    except EtleError as error:
        pytest.skip(str(error))


def test_name_and_digest(reader: HeadReader) -> None:
    assert reader.name and len(reader.digest) == 64


def test_heads_are_in_pixels_of_the_image_the_surest_first(reader: HeadReader) -> None:
    image = np.random.default_rng(3).integers(0, 255, (200, 300, 3)).astype(np.uint8)
    found = reader.find(image, Box(0, 0, 300, 200), 30.0)
    assert [head.found for head in found] == sorted((head.found for head in found), reverse=True)
    for head in found:
        assert 0 <= head.found <= 1 and 0 <= head.score <= 1
        assert (head.headgear is Headgear.UNKNOWN) is (head.score == 0)


def test_an_area_outside_of_the_image_has_no_heads(reader: HeadReader) -> None:
    assert tuple(reader.find(np.zeros((100, 100, 3), np.uint8), Box(200, 0, 260, 80), 30.0)) == ()


def real_network() -> HeadReader:
    try:
        return open_head_reader()
    except EtleError as error:
        pytest.skip(str(error))


def test_rendered_heads_are_found_and_told() -> None:
    """Those of which a single one is in the picture, clear and not small."""
    reader, rng = real_network(), np.random.default_rng(11)
    told: list[tuple[HeadState, Headgear]] = []
    while len(told) < 60:
        sample = draw_heads(rng)
        if len(sample.heads) != 1 or sample.heads[0].state not in (HeadState.HELMET, HeadState.BARE) or sample.heads[0].box.width < 20:
            continue
        found = reader.find(sample.image, Box(0, 0, *sample.image.shape[1::-1]), sample.heads[0].box.height)
        near = [head for head in found if abs(head.box.centre.x - sample.heads[0].box.centre.x) < sample.heads[0].box.width / 2]
        told.append((sample.heads[0].state, near[0].headgear if near else Headgear.UNKNOWN))
    right = {HeadState.HELMET: Headgear.HELMET, HeadState.BARE: Headgear.NO_HELMET}
    assert sum(gear is right[state] for state, gear in told) >= 36
    assert sum(state is HeadState.HELMET and gear is Headgear.NO_HELMET for state, gear in told) <= 4


def test_weights_of_another_network_are_refused(tmp_path) -> None:
    (tmp_path / "text.onnx").write_bytes(b"no weights")
    with pytest.raises(WeightsError):
        HeadNetwork(tmp_path / "text.onnx", tmp_path / "text.onnx")


def test_a_detector_without_the_layers_is_refused(tmp_path) -> None:
    onnx.save(blob_finder(64, 64, names={0: "car"}), tmp_path / "blobs.onnx")
    with pytest.raises(WeightsError, match="has no layer"):
        DetectorStem(tmp_path / "blobs.onnx")


def test_missing_weights(tmp_path) -> None:
    try:
        stem = weight(STEM_WEIGHTS)
    except EtleError as error:
        pytest.skip(str(error))
    for missing in ((tmp_path / "none.onnx", stem), (stem, tmp_path / "none.onnx")):
        with pytest.raises(WeightsMissing):
            NetworkHeadReader(*missing)
