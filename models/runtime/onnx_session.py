"""onnxruntime on a CPU: opens a graph and runs it. The inference code imports onnxruntime only here."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from etle.errors import InferenceError, MissingExtra, WeightsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ERRORS_ONLY = 3


class OnnxSession:
    """An ONNX graph with one input."""

    def __init__(self, graph: bytes, name: str, *, threads: int = 1) -> None:
        """`graph`: a serialised ONNX model; `name` is used in error messages. Raises WeightsError, MissingExtra."""
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtra("onnxruntime", "detect") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        # spinning threads would take CPU time from the other cameras
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session: Any = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's exceptions have no common base class
            raise WeightsError(f"{name} is not a model that onnxruntime can open: {error}") from error
        self._name = name
        self._input = self._session.get_inputs()[0].name

    def run(self, batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """The first output. Raises InferenceError."""
        return self.run_all(batch)[0]

    def run_all(self, batch: "NDArray[np.float32]") -> "Sequence[NDArray[np.float32]]":
        """All outputs, in the order of the graph. Raises InferenceError."""
        try:
            results: Sequence[NDArray[np.float32]] = self._session.run(None, {self._input: batch})
        except Exception as error:  # onnxruntime's exceptions have no common base class
            raise InferenceError(f"{self._name} failed on an image: {error}") from error
        return results
