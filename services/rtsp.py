"""A camera on the network: GStreamer's RTSP server playing a film to whoever connects, each from its beginning.

It is run by the system's Python, for which Debian packages it.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from services.process import ServiceMissing, ServiceProcess, connects, free_port, in_folder, running

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
_PARTS: Final = """
import sys, gi
gi.require_version("Gst", "1.0"); gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
raise SystemExit(not all(Gst.ElementFactory.find(name) for name in sys.argv[1:]))
"""


def require_gstreamer() -> None:
    """Raises ServiceMissing."""
    elements = {word for chain in CHAINS.values() for word in chain.split() if word.isalnum()}
    if not PYTHON.exists() or subprocess.run([PYTHON, "-c", _PARTS, *elements], check=False, capture_output=True).returncode:
        raise ServiceMissing(f"an RTSP camera needs GStreamer's RTSP server: apt-get install {PACKAGES}")


def rtsp_server(folder: Path, film: Path, *, port: int | None = None, codec: str = "h264") -> ServiceProcess:
    """Not yet started. Raises ServiceMissing."""
    require_gstreamer()
    port = port or free_port()
    return ServiceProcess(
        name="rtsp",
        address=f"rtsp://127.0.0.1:{port}/cam",
        port=port,
        command=[PYTHON, "-c", PROGRAM, film.absolute(), str(port), CHAINS[codec]],
        folder=folder,
        answers=lambda: connects(port),
    )


@contextmanager
def running_rtsp(film: Path, *, port: int | None = None, codec: str = "h264") -> Iterator[ServiceProcess]:
    """`address` is the camera's rtsp:// address."""
    with in_folder(None) as place, running(rtsp_server(place, film, port=port, codec=codec)) as server:
        yield server
