"""Reads the tensors of a torch checkpoint (.pt) without torch and without executing its pickle.

A pickle is a program that can call any function. This unpickler replaces every class and function by an inert placeholder, except the few
that construct tensors, which are implemented here. Untrusted checkpoints can therefore be read.
"""

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from etle.errors import WeightsError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STORAGES: dict[str, type[np.generic]] = {
    "FloatStorage": np.float32,
    "HalfStorage": np.float16,
    "DoubleStorage": np.float64,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
}
_BROKEN = (zipfile.BadZipFile, pickle.UnpicklingError, EOFError, StopIteration, LookupError, AttributeError, TypeError, ValueError)
"""Errors from reading a file that is not a checkpoint."""
_BATCH_NORM_EPSILON = 1e-3
"""Epsilon of every batch norm in YOLOv8; checkpoints do not contain it."""


def read_tensors(path: Path) -> "dict[str, NDArray[Any]]":
    """Parameters and buffers of the model by their dotted names; of the averaged model (`ema`) if there is one.

    Raises WeightsError if the file is not such a checkpoint.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            checkpoint = _unpickled(archive)
        model = checkpoint.get("ema") or checkpoint["model"]
        tensors = dict(_walk(model, ""))
    except _BROKEN as error:
        raise WeightsError(f"{path} is not a checkpoint of a torch model: {error!r}") from error
    if not tensors:
        raise WeightsError(f"{path} contains no tensors")
    return tensors


def fuse_batchnorm(tensors: "dict[str, NDArray[Any]]") -> "dict[str, NDArray[np.float32]]":
    """The same network with each batch norm fused into the preceding convolution, as in an export."""
    fused: dict[str, NDArray[np.float32]] = {}
    for name, value in tensors.items():
        stem = name.removesuffix("conv.weight")
        if stem != name and f"{stem}bn.weight" in tensors:
            norm = {part: tensors[f"{stem}bn.{part}"].astype(np.float64) for part in ("weight", "bias", "running_mean", "running_var")}
            gain = norm["weight"] / np.sqrt(norm["running_var"] + _BATCH_NORM_EPSILON)
            fused[name] = (value.astype(np.float64) * gain[:, None, None, None]).astype(np.float32)
            fused[f"{stem}conv.bias"] = (norm["bias"] - norm["running_mean"] * gain).astype(np.float32)
        elif name.split(".")[-2:-1] != ["bn"]:
            fused[name] = value.astype(np.float32)
    return fused


class _Inert:
    """Placeholder for any class or function in the pickle; keeps state, executes nothing."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    def __call__(self, *args: object, **kwargs: object) -> "_Inert":
        return self

    def __setstate__(self, state: object) -> None:
        if isinstance(state, dict):
            self.__dict__.update(state)

    def __setitem__(self, key: object, value: object) -> None:
        pass


def _unpickled(archive: zipfile.ZipFile) -> Any:
    pickled = next(name for name in archive.namelist() if name.endswith("data.pkl"))
    return _Unpickler(archive, pickled).load()


class _Unpickler(pickle.Unpickler):
    def __init__(self, archive: zipfile.ZipFile, pickled: str) -> None:
        super().__init__(io.BytesIO(archive.read(pickled)))
        self._archive = archive
        self._root = pickled.removesuffix("data.pkl")

    def find_class(self, module: str, name: str) -> Any:
        known: dict[str, Any] = {
            "torch._utils._rebuild_tensor_v2": _tensor,
            "torch._utils._rebuild_parameter": _parameter,
            "collections.OrderedDict": OrderedDict,
            "builtins.set": set,
            "__builtin__.set": set,
        }
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        return known.get(f"{module}.{name}") or type("Inert", (_Inert,), {})

    def persistent_load(self, pid: Any) -> Any:
        """Data of a tensor; `pid` is ("storage", type, file, device, count)."""
        _, dtype, key, _, _ = pid
        if dtype not in _STORAGES.values():
            raise pickle.UnpicklingError("a storage of unknown type")
        return np.frombuffer(self._archive.read(f"{self._root}data/{key}"), dtype)


def _tensor(storage: "NDArray[Any]", offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object) -> "NDArray[Any]":
    end = offset + sum((count - 1) * step for count, step in zip(size, stride, strict=True)) + 1
    if min((0, offset, *size, *stride)) < 0 or end > len(storage):
        raise pickle.UnpicklingError("a tensor exceeds its storage")
    part = storage[offset:]
    return np.lib.stride_tricks.as_strided(part, size, [step * part.itemsize for step in stride]).copy()


def _parameter(tensor: "NDArray[Any]", *_: object) -> "NDArray[Any]":
    return tensor


def _walk(module: Any, prefix: str) -> "list[tuple[str, NDArray[Any]]]":
    own = {**getattr(module, "_parameters", {}), **getattr(module, "_buffers", {})}
    found = [(prefix + name, value) for name, value in own.items() if isinstance(value, np.ndarray)]
    for name, child in getattr(module, "_modules", {}).items():
        found += _walk(child, f"{prefix}{name}.")
    return found
