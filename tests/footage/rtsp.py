"""A real RTSP server (GStreamer) that serves a video of the test; run by the system's Python, for which Debian packages it."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_SERVER = """
import sys, gi
gi.require_version("Gst", "1.0"); gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer
Gst.init(None)
server = GstRtspServer.RTSPServer(); server.set_address("127.0.0.1"); server.set_service(sys.argv[2])
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch("( filesrc location=%s ! %s name=pay0 )" % (sys.argv[1], sys.argv[3]))
server.get_mount_points().add_factory("/cam", factory); server.attach(None)
print("ready", flush=True)
GLib.MainLoop().run()
"""
_CHECK_ELEMENTS = """
import sys, gi
gi.require_version("Gst", "1.0"); gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
raise SystemExit(not all(Gst.ElementFactory.find(name) for name in sys.argv[1:]))
"""
_CHAINS = {
    "h264": "qtdemux ! h264parse ! rtph264pay config-interval=1",
    "h265": "matroskademux ! h265parse ! rtph265pay config-interval=1",
    "jpeg": "avidemux ! jpegparse ! rtpjpegpay",
}
_PYTHON = Path("/usr/bin/python3")
_PACKAGES = "python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good gstreamer1.0-plugins-bad"


class RtspCamera:
    """Can be stopped and started again at the same address with another video."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"rtsp://127.0.0.1:{self.port}/cam"
        self._process: subprocess.Popen[str] | None = None

    def start(self, video: Path, codec: str = "h264") -> None:
        """`codec`: h264 for an MP4 file, h265 for Matroska, jpeg for AVI."""
        self.stop()
        command = [_PYTHON, "-c", _SERVER, video, str(self.port), _CHAINS[codec]]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def stop(self) -> None:
        """Kill the server without notice to its clients."""
        if self._process is not None:
            with self._process as process:
                process.kill()
            self._process = None


@contextmanager
def rtsp_server() -> Iterator[RtspCamera]:
    elements = {word for chain in _CHAINS.values() for word in chain.split() if word.isalnum()}
    if not _PYTHON.exists() or subprocess.run([_PYTHON, "-c", _CHECK_ELEMENTS, *elements], capture_output=True).returncode:
        pytest.skip(f"needs an RTSP server: apt-get install {_PACKAGES}")
    camera = RtspCamera()
    try:
        yield camera
    finally:
        camera.stop()
