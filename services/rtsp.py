"""A network camera: GStreamer's RTSP server, which plays a video from its beginning to each client.

It runs in the system's Python, for which Debian packages GStreamer.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from services.process import ServiceMissing, ServiceProcess, accepts_connections, data_folder, free_port, running

PYTHON: Final = Path("/usr/bin/python3")
PACKAGES: Final = "python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good gstreamer1.0-plugins-bad"
CHAINS: Final = {
    "h264": "qtdemux ! h264parse ! rtph264pay config-interval=1",
    "h265": "matroskademux ! h265parse ! rtph265pay config-interval=1",
    "jpeg": "avidemux ! jpegparse ! rtpjpegpay",
}
"""By codec: h264 in an MP4, h265 in a Matroska, jpeg in an AVI."""
PROGRAM: Final = """
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
_CHECK: Final = """
import sys, gi
gi.require_version("Gst", "1.0"); gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
raise SystemExit(not all(Gst.ElementFactory.find(name) for name in sys.argv[1:]))
"""


def require_gstreamer() -> None:
    """Raises ServiceMissing."""
    elements = {name for chain in CHAINS.values() for name in chain.split() if name.isalnum()}
    if not PYTHON.exists() or subprocess.run([PYTHON, "-c", _CHECK, *elements], check=False, capture_output=True).returncode:
        raise ServiceMissing(f"an RTSP camera needs GStreamer's RTSP server: apt-get install {PACKAGES}")


def rtsp_server(folder: Path, video: Path, *, port: int | None = None, codec: str = "h264") -> ServiceProcess:
    """Not started yet. Raises ServiceMissing."""
    require_gstreamer()
    port = port or free_port()
    return ServiceProcess(
        name="rtsp",
        address=f"rtsp://127.0.0.1:{port}/cam",
        port=port,
        command=[PYTHON, "-c", PROGRAM, video.absolute(), str(port), CHAINS[codec]],
        folder=folder,
        is_ready=lambda: accepts_connections(port),
    )


@contextmanager
def running_rtsp(video: Path, *, port: int | None = None, codec: str = "h264") -> Iterator[ServiceProcess]:
    """`address` is the camera's rtsp:// address."""
    with data_folder(None) as path, running(rtsp_server(path, video, port=port, codec=codec)) as server:
        yield server
