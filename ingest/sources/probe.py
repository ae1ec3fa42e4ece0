"""Find out what kind of source a path or an address is, by looking at the file system or asking the camera."""

from pathlib import Path

from etle.address import Address
from etle.config.sources import (
    FileSourceSettings,
    FolderSourceSettings,
    MjpegSourceSettings,
    RtspSourceSettings,
    SnapshotSourceSettings,
    SourceSettings,
)
from etle.errors import SourceUnavailable

_TIMEOUT_S = 10.0


def probe_source(origin: str, fps: float | None = None) -> SourceSettings:
    """Settings for a path or an address. `fps` is for folders only. Raises SourceUnavailable, SourceBroken, ConfigError."""
    if "://" in origin:
        return _probe_address(origin)
    path = Path(origin)
    try:
        path.stat()
    except FileNotFoundError as error:
        raise SourceUnavailable(f"{origin}: no such file or folder") from error
    except (OSError, ValueError) as error:
        raise SourceUnavailable(f"{origin}: {error}") from error
    return FolderSourceSettings(folder=path, fps=fps) if path.is_dir() else FileSourceSettings(file=path)


def _probe_address(url: str) -> SourceSettings:
    """An HTTP address is asked for the content type of its answer."""
    Address.of(url)
    scheme = url.partition(":")[0].lower()
    if scheme in ("rtsp", "rtsps"):
        return RtspSourceSettings(rtsp=url)
    if scheme not in ("http", "https"):
        raise SourceUnavailable(f"an address begins with rtsp://, rtsps://, http:// or https://, not with {scheme}://")
    from ingest.sources.http import HttpClient

    with HttpClient(Address.of(url), timeout_s=_TIMEOUT_S).open() as answer:
        content_type = answer.headers.get_content_type()
    if content_type.startswith("multipart/"):
        return MjpegSourceSettings(mjpeg=url)
    return SnapshotSourceSettings(snapshot=url) if content_type == "image/jpeg" else RtspSourceSettings(rtsp=url)
