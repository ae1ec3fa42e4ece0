"""Tensors are read from torch checkpoints without executing their pickles."""

import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from etle.errors import WeightsError
from models.weights.torch_checkpoint import fuse_batchnorm, read_tensors


def archive(path: Path, data: bytes, numbers: bytes = b"") -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x/data.pkl", data)
        file.writestr("x/data/0", numbers)
    return path


class Malicious:
    """The standard unpickler would create a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_code_in_a_checkpoint_is_not_executed(tmp_path: Path) -> None:
    victim = tmp_path / "created by a pickle"
    data = pickle.dumps({"model": Malicious(victim)})
    with pytest.raises(WeightsError, match="no tensors"):
        read_tensors(archive(tmp_path / "bad.pt", data))
    assert not victim.exists()
    pickle.loads(data)
    assert victim.exists(), "the standard unpickler executes it"


def forged(offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    """The pickle of a model with one tensor, opcode by opcode as torch writes it."""

    def row(numbers: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(b"I%d\n" % number for number in numbers) + b"t"

    storage = b"(S'storage'\nctorch\nFloatStorage\nS'0'\nS'cpu'\nI4\ntQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"I%d\n" % offset + row(size) + row(stride) + b"tR"
    return b"}S'model'\ncsome.net\nNet\n)R}S'_parameters'\n}S'weight'\n" + tensor + b"ssbs."


def test_a_tensor_is_read(tmp_path: Path) -> None:
    numbers = np.arange(4, dtype=np.float32).tobytes()
    path = archive(tmp_path / "good.pt", forged(0, (2, 2), (1, 2)), numbers)
    assert read_tensors(path)["weight"].tolist() == [[0, 2], [1, 3]]


@pytest.mark.parametrize(
    "offset, size, stride",
    [
        pytest.param(0, (1000,), (1,), id="longer than its storage"),
        pytest.param(3, (2,), (1,), id="begins too late"),
        pytest.param(-2, (2,), (1,), id="begins before it"),
        pytest.param(0, (2, 2), (1, 400), id="strides beyond it"),
        pytest.param(2, (2,), (-2,), id="strides back"),
    ],
)
def test_a_tensor_that_exceeds_its_storage_is_rejected(tmp_path: Path, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> None:
    numbers = np.arange(4, dtype=np.float32).tobytes()
    with pytest.raises(WeightsError, match="exceeds its storage"):
        read_tensors(archive(tmp_path / "forged.pt", forged(offset, size, stride), numbers))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(pickle.dumps([1, 2]), id="a list"),
        pytest.param(pickle.dumps({"weights": 3}), id="without a model"),
        pytest.param(pickle.dumps({"model": 3})[:-4], id="cut off"),
    ],
)
def test_other_files_are_rejected(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(WeightsError):
        read_tensors(archive(tmp_path / "bad.pt", data))
    (tmp_path / "text.pt").write_bytes(data)
    with pytest.raises(WeightsError, match="is not a checkpoint"):
        read_tensors(tmp_path / "text.pt")


@pytest.mark.torch
def test_fused_batch_norms_give_the_same_output_as_torch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="comes with the torch extra")
    torch.manual_seed(0)
    block = torch.nn.Module()
    block.add_module("conv", torch.nn.Conv2d(3, 5, 3, bias=False))
    block.add_module("bn", torch.nn.BatchNorm2d(5, eps=1e-3))
    block.bn.weight.data.uniform_(0.5, 2)
    block.bn.bias.data.normal_()
    block.bn.running_mean.normal_()
    block.bn.running_var.uniform_(0.5, 2)
    block.eval()
    torch.save({"model": block}, tmp_path / "block.pt")
    tensors = fuse_batchnorm(read_tensors(tmp_path / "block.pt"))
    assert set(tensors) == {"conv.weight", "conv.bias"}
    x = torch.randn(1, 3, 8, 8)
    folded = torch.nn.functional.conv2d(x, *(torch.from_numpy(tensors[name]) for name in ("conv.weight", "conv.bias")))
    assert torch.allclose(folded, block.bn(block.conv(x)), atol=1e-5)
