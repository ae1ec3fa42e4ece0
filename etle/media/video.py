"""Decode videos, encode JPEGs and clips. Only this file imports PyAV.

The decoder's YUV goes directly into the JPEG encoder, without conversion to RGB and without numpy, which an edge device does not have.
The quantiser used here corresponds to about quality 80 of OpenCV, and as many plates are read as at 90 (measured in docs/ingest.md).
Everything runs on one thread with fixed settings, so that on one machine the same file always gives the same bytes and digests.
"""

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from etle.errors import FrameBroken, MissingExtra, SourceBroken, SourceUnavailable
from etle.media import jpeg, orientation
from etle.media.exif import orientation_of
from etle.media.stream_times import PictureTimes, TimesKind, kind_of

try:
    import av
    import av.sidedata.sidedata
except ImportError as error:
    raise MissingExtra("av", "ingest") from error

if TYPE_CHECKING:
    from etle.types import Image

log = logging.getLogger(__name__)
QUANTISER = 3
"""2 is the finest, 31 the coarsest. Up to 5 no fewer plates are read; at 8 some become unreadable."""
_FULL, _LIMITED = 2, 1  # FFmpeg's AVCOL_RANGE_JPEG, AVCOL_RANGE_MPEG
_BT709, _BT601 = 1, 5  # FFmpeg's AVCOL_SPC_BT709, and swscale's number for the matrix of JFIF
_TICKS = Fraction(1, 1_000_000)
_DISPLAY_MATRIX = av.sidedata.sidedata.Type.DISPLAYMATRIX
_H264 = {"preset": "ultrafast", "crf": "25", "threads": "1", "x264-params": "mbtree=0:weightp=0:bframes=0"}
"""Clips are only looked at, and are encoded while the detector runs: `ultrafast` takes two fifths of the time of `veryfast`, for files that
are a third larger. Macroblock trees and weighted prediction are off, because with x264's assembler their output is not deterministic."""
_MIN_YEAR = 2000
"""Containers without a date have 1904 or 1970."""
_RAW = frozenset(
    ("h264", "hevc", "vvc", "m4v", "mpegvideo", "mjpeg", "mjpeg_2000", "h261", "h263", "vc1", "obu", "avs", "cavsvideo", "dirac")
)
"""FFmpeg's formats of a stream without a container, whose times FFmpeg invents."""
_WITHOUT_LENGTH = _RAW | {"mpegts", "mpeg"}
"""Formats that announce no length: FFmpeg estimates one."""
_EXAMINED_PACKETS = 120
_SAME_LENGTH = 0.9
"""Tracks of at least this share of the longest are equally long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoInfo:
    """Metadata of a container, as written in it; not verified."""

    width: int
    height: int
    fps: float | None
    duration_s: float | None
    pictures: int | None
    created_at: datetime | None
    codec: str


class JpegEncoder:
    """Encodes JPEGs. The bytes depend only on the picture, not on the pictures before it.

    `max_width`: wider pictures are made smaller, in proportion. `quantiser`: None means QUANTISER, and that JPEGs which are not too wide
    are not encoded again.
    """

    def __init__(self, quantiser: int | None = None, max_width: int | None = None) -> None:
        self._always_encode = quantiser is not None
        self._quantiser = QUANTISER if quantiser is None else quantiser
        self._max_width = max_width
        self._context: Any = None
        self._reformatter = av.video.reformatter.VideoReformatter()
        self._ticks = 0

    def keeps(self, width: int) -> bool:
        """Whether a JPEG of that width is passed on unchanged."""
        return not self._always_encode and (self._max_width is None or width <= self._max_width)

    def encode(self, picture: Any) -> bytes:
        """Encode a PyAV frame as JPEG: 4:2:0, full range, BT.601, as JFIF specifies."""
        size = self._target_size(picture.width, picture.height)
        converted = self._reformatter.reformat(
            picture, format="yuv420p", dst_color_range=_FULL, threads=1, **size, **_colour_options(picture)
        )
        converted.color_range = _FULL
        converted.time_base = _TICKS
        converted.pts = self._ticks
        self._ticks += 1
        return b"".join(bytes(packet) for packet in self._context_for(converted.width, converted.height).encode(converted))

    def _target_size(self, width: int, height: int) -> dict[str, Any]:
        if self._max_width is None or width <= self._max_width:
            return {}
        return {"width": self._max_width, "height": max(1, round(height * self._max_width / width)), "interpolation": "AREA"}

    def _context_for(self, width: int, height: int) -> Any:
        if self._context is None or (self._context.width, self._context.height) != (width, height):
            context = av.CodecContext.create("mjpeg", "w")
            context.width, context.height, context.pix_fmt = width, height, "yuv420p"
            context.color_range, context.time_base, context.thread_count = _FULL, _TICKS, 1
            context.sample_aspect_ratio = Fraction(1)  # makes the encoder write a JFIF header
            context.qmin = context.qmax = self._quantiser
            context.flags |= av.codec.context.Flags.bitexact  # no library version in the bytes
            context.options = {"huffman": "default"}
            self._context = context
        return self._context


@dataclass(frozen=True, slots=True)
class VideoPicture:
    """A decoded picture of a video, or the bytes of a JPEG in it; encoded on demand."""

    seconds: float | None
    """Presentation time on the container's time axis; None if it has none."""
    width: int
    height: int
    _source: Any
    _encoder: JpegEncoder
    _steps: orientation.Steps = ()

    def jpeg(self) -> bytes:
        """The original bytes if the video consists of upright JPEGs and the encoder keeps them; otherwise encoded now."""
        if not isinstance(self._source, bytes):
            return self._encoder.encode(_turned(self._source, self._steps))
        return self._source if self._encoder.keeps(self.width) else jpeg_of(self._source, self._encoder)


class Video:
    """An open video: a file, or an address that FFmpeg can open. Use it as a context manager.

    Raises SourceUnavailable if it cannot be opened, SourceBroken if it is not a video. `shown` is its name in messages.
    """

    def __init__(
        self, where: str, shown: str | None = None, options: Mapping[str, str] | None = None, timeout_s: float | None = None
    ) -> None:
        self.shown = shown or where
        self.undecodable = 0
        """Number of pictures so far that could not be decoded, or that depend on one that could not."""
        self._reference_lost = False
        self._complete = True
        self._told_tracks = False
        self._on_undecodable: Callable[[], None] = lambda: None
        self.times = TimesKind.PRESENTATION if "://" in where else self._examine(_local(where))
        self._container = self._open(_local(where), dict(options or {}), timeout_s)
        self._stream = self._choose_track()
        self._stream.codec_context.thread_count = 1
        self._steps: orientation.Steps | None = None
        """How pictures are turned upright; None until the first one was decoded."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._container.close()

    @property
    def info(self) -> VideoInfo:
        stream, length = self._stream, _seconds(self._stream.duration, self._stream.time_base)
        if length is None and self._container.duration:
            length = self._container.duration / av.time_base
        return VideoInfo(
            width=stream.codec_context.width,
            height=stream.codec_context.height,
            fps=float(stream.average_rate) if stream.average_rate else None,
            duration_s=length,
            pictures=stream.frames or None,
            created_at=_created_at({**stream.metadata, **self._container.metadata}),
            codec=stream.codec_context.name,
        )

    @property
    def complete(self) -> bool:
        """After the last picture: whether the file had all the pictures that its container announces."""
        return self._complete

    def _examine(self, where: str) -> TimesKind:
        """Reads the first packets of a file, without decoding them."""
        with self._open(where, {}, None) as container:
            self._container = container
            stream = self._choose_track()
            if container.format.name.split(",")[0] in _RAW:
                return TimesKind.NONE
            packets: list[tuple[int | None, int | None]] = []
            try:
                for packet in container.demux(stream):
                    if packet.size:
                        packets.append((packet.pts, packet.dts))
                    if len(packets) >= _EXAMINED_PACKETS:
                        break
            except av.FFmpegError:
                pass  # reading it again reports this
            return kind_of(packets, float(stream.time_base or 0), bool(stream.codec_context.has_b_frames))

    def _choose_track(self) -> Any:
        """The largest of the longest video tracks; no cover picture and no thumbnails."""
        videos = [each for each in self._container.streams.video if not each.disposition & av.stream.Disposition.attached_pic]
        if not videos:
            cover = bool(self._container.streams.video)
            self._container.close()
            raise SourceBroken(f"{self.shown}: it has {'only a cover picture' if cover else 'no video stream'}")
        longest_s = max(_track_length_s(each) for each in videos)
        long = [each for each in videos if _track_length_s(each) >= _SAME_LENGTH * longest_s]
        chosen = max(long, key=lambda each: (each.codec_context.width or 0) * (each.codec_context.height or 0))
        if len(videos) > 1 and not self._told_tracks:
            self._told_tracks = True
            others = ", ".join(_track_text(each) for each in videos if each is not chosen)
            log.warning("%s: %d video tracks: %s is read, not %s", self.shown, len(videos), _track_text(chosen), others)
        return chosen

    def pictures(self, encoder: JpegEncoder | None = None, on_undecodable: Callable[[], None] = lambda: None) -> Iterator[VideoPicture]:
        """The pictures in presentation order. Pictures that cannot be decoded are counted and left out, and so are those after them up to
        the next keyframe: FFmpeg would predict them from data that is missing, and show something that the camera never saw.

        Ends with the video, or where reading fails; then `complete` is False. `on_undecodable` is called for each picture at once.
        """
        encoder, announced = encoder or JpegEncoder(), self.info
        times, self._on_undecodable = PictureTimes(self.times), on_undecodable
        packets, ends = 0, -math.inf
        try:
            for packet in self._container.demux(self._stream):
                if packet.size and not packet.is_corrupt and packet.pts is not None:
                    packets += 1
                    ends = max(ends, float((packet.pts + 1.5 * (packet.duration or 0)) * packet.time_base))
                yield from self._decoded(packet, encoder, times)
        except av.FFmpegError as error:
            if isinstance(error, av.ExitError | TimeoutError | OSError):
                raise SourceUnavailable(f"{self.shown}: {_reason(error)}") from error
            self._complete = False
        self._complete = self._complete and not self._ends_early(packets, ends, announced)

    def _decoded(self, packet: Any, encoder: JpegEncoder, times: PictureTimes) -> Iterator[VideoPicture]:
        if packet.size:
            times.packet(packet.pts, packet.dts)
        if self._stream.codec_context.name == "mjpeg" and packet.size:
            data = bytes(packet)
            try:
                size = jpeg.size_of(data)
                check_jpeg(data)
            except FrameBroken:  # the decoder would show something that the camera never saw, without an error
                times.lost(packet.pts, packet.dts)
                self._lose()
                return
            if jpeg.has_huffman_tables(data) and self._is_upright(packet) and orientation_of(data) == 1:
                yield VideoPicture(_seconds(times.picture(packet.pts), packet.time_base), *size, data, encoder)
                return
        try:
            decoded = packet.decode()
        except av.FFmpegError:
            times.lost(packet.pts, packet.dts)
            self._lose()
            self._reference_lost = True
            return
        for picture in decoded:
            seconds = _seconds(times.picture(picture.pts), picture.time_base)
            self._reference_lost = picture.is_corrupt or (self._reference_lost and not picture.key_frame)
            if self._reference_lost:
                self._lose()
                continue
            steps = self._steps_of(picture)
            width, height = (picture.height, picture.width) if orientation.swaps_sides(steps) else (picture.width, picture.height)
            yield VideoPicture(seconds, width, height, picture, encoder, steps)

    def _lose(self) -> None:
        self.undecodable += 1
        self._on_undecodable()

    def _is_upright(self, packet: Any) -> bool:
        """Of a video of JPEGs: whether they can be passed on as they are. The first one is decoded for that."""
        if self._steps is None:
            for picture in packet.decode():
                self._steps_of(picture)
        return not self._steps

    def _steps_of(self, picture: Any) -> orientation.Steps:
        if self._steps is None:
            try:
                self._steps = _steps_of(picture)
            except FrameBroken as error:
                raise SourceBroken(f"{self.shown}: {error}") from error
        return self._steps

    def _ends_early(self, packets: int, ends: float, announced: VideoInfo) -> bool:
        """Compares with what the container announces for this track; other tracks may be longer.

        Both counts must be too small: a video that was cut without encoding it again announces more pictures than it shows.
        """
        if announced.pictures is not None:
            return packets < announced.pictures and _ends_before(ends, self._stream, announced.duration_s)
        if self._container.format.name.split(",")[0] in _WITHOUT_LENGTH:
            return False
        length_s = _tagged_s(self._stream.metadata.get("DURATION", ""))
        if length_s is None and len(self._container.streams) == 1:
            length_s = announced.duration_s
        return length_s is not None and ends + 1 < length_s

    def _open(self, where: str, options: dict[str, str], timeout_s: float | None) -> Any:
        try:
            return av.open(where, options=options, timeout=timeout_s, metadata_errors="replace")
        except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
            raise SourceUnavailable(f"{self.shown}: {error.strerror}") from error
        except av.InvalidDataError as error:
            if "://" in where:  # FFmpeg reports the same for a server that sends nothing
                raise SourceUnavailable(f"{self.shown}: sends nothing that FFmpeg can read; is it the address of a video?") from error
            raise SourceBroken(
                f"{self.shown}: is not a video that FFmpeg can read, or its end is missing, where an MP4 has its index"
            ) from error
        except av.FFmpegError as error:
            raise SourceUnavailable(f"{self.shown}: {_reason(error)}") from error


def jpeg_of(picture: bytes, encoder: JpegEncoder | None = None) -> bytes:
    """Encode a still picture (PNG, JPEG or another format that FFmpeg reads) as JPEG, upright. Raises FrameBroken."""
    try:
        with av.open(BytesIO(picture)) as container:
            decoded = next(container.decode(video=0))
    except (av.FFmpegError, IndexError, StopIteration) as error:
        raise FrameBroken("not a picture that FFmpeg can read") from error
    turns = orientation.OF_EXIF[orientation_of(picture)] if picture.startswith(jpeg.START) else _steps_of(decoded)
    return (encoder or JpegEncoder()).encode(_turned(decoded, turns))


def upright_jpeg(data: bytes) -> bytes:
    """The JPEG itself, or turned upright and encoded again if its EXIF data asks for that, as every browser does. Raises FrameBroken."""
    return data if orientation_of(data) == 1 else jpeg_of(data)


def encode_clip(images: "Sequence[Image]", fps: float, width: int, height: int) -> bytes:
    """Encode a clip that every browser plays: H.264 in MP4, 4:2:0, index at the front. `images`: height x width x 3 each, BGR, uint8.

    The same images give the same bytes. An odd size loses a column or a row, because 4:2:0 needs even sizes. Raises ValueError if there
    are no images.
    """
    if not images:
        raise ValueError("a clip needs at least one picture")
    rate = Fraction(fps).limit_denominator(1001)
    with TemporaryDirectory(prefix="etle-") as folder:  # FFmpeg reads the file again to move the index to the front
        path = Path(folder) / "clip.mp4"
        write_clip(path, images, rate, width - width % 2, height - height % 2)
        return path.read_bytes()


def write_clip(path: Path, images: "Iterable[Image]", rate: Fraction, width: int, height: int) -> None:
    """As `encode_clip`, into a file and without keeping the images. `width` and `height` are even."""
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart", "fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=rate, options=_H264)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_count = 1
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        for number, image in enumerate(images):
            picture = _as_yuv(image, width, height)
            picture.pts, picture.time_base = number, 1 / rate
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def _as_yuv(image: "Image", width: int, height: int) -> Any:
    """Resized to the clip's size. OpenCV takes a third of swscale's time; it is installed wherever images are arrays."""
    import cv2

    resized = image if image.shape[:2] == (height, width) else cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return av.VideoFrame.from_ndarray(cv2.cvtColor(resized, cv2.COLOR_BGR2YUV_I420), format="yuv420p")


def creation_time(path: Path) -> datetime | None:
    """Start of recording according to the container; None if it has no date."""
    with Video(str(path)) as video:
        return video.info.created_at


def _colour_options(picture: Any) -> dict[str, int]:
    """Colour range and matrix for swscale. BT.601 if the picture does not specify one, as OpenCV assumes."""
    if picture.format.is_rgb:
        return {"src_color_range": _FULL}
    full = picture.color_range == _FULL or picture.format.name.startswith("yuvj")
    matrix = {"src_colorspace": _BT709, "dst_colorspace": _BT601} if picture.colorspace == _BT709 else {}
    return {"src_color_range": _FULL if full else _LIMITED, **matrix}


def check_jpeg(data: bytes) -> None:
    """Raises FrameBroken if the image data of a JPEG is damaged: decoders show it smeared or shifted, without an error.

    Only the coefficients are read, at an eighth of the size. Segments that do not concern the picture are left out, because FFmpeg objects
    to some that other decoders skip. What FFmpeg does not support at all is not judged.
    """
    context = av.CodecContext.create("mjpeg", "r")
    context.thread_count = 1
    context.options = {"err_detect": "explode", "lowres": "3"}
    try:
        context.decode(av.Packet(jpeg.picture_segments(data)))
        context.decode(None)
    except av.InvalidDataError as error:
        raise FrameBroken(f"a JPEG that is damaged inside ({len(data)} bytes)") from error
    except av.FFmpegError:
        pass


def _steps_of(picture: Any) -> orientation.Steps:
    matrix = picture.side_data.get(_DISPLAY_MATRIX)
    return orientation.of_matrix(None if matrix is None else bytes(matrix))


def _turned(picture: Any, steps: orientation.Steps) -> Any:
    """Apply the turns that phones write into the metadata, instead of turning the pixels."""
    if not steps:
        return picture
    graph = av.filter.Graph()
    links = [graph.add_buffer(width=picture.width, height=picture.height, format=picture.format, time_base=_TICKS)]
    links += [graph.add(name, argument or None) for name, argument in steps] + [graph.add("buffersink")]
    graph.link_nodes(*links).configure()
    graph.push(picture)
    return graph.pull()


def _local(where: str) -> str:
    """FFmpeg takes what is before a colon for a protocol: a file `10:00:00.mp4`."""
    return where if "://" in where else f"file:{where}"


def _track_length_s(stream: Any) -> float:
    """0 if the container does not tell."""
    length_s = _seconds(stream.duration, stream.time_base) or _tagged_s(stream.metadata.get("DURATION", "")) or 0.0
    return min(length_s, 0.001) if stream.frames == 1 else length_s


def _track_text(stream: Any) -> str:
    size = f"{stream.codec_context.width}x{stream.codec_context.height}"
    return f"track {stream.index} ({size}, {_track_length_s(stream):.1f} s)" if stream.duration else f"track {stream.index} ({size})"


def _tagged_s(text: str) -> float | None:
    """Matroska's tag DURATION, such as 00:00:08.100000000."""
    try:
        hours, minutes, seconds = text.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return None


def _ends_before(ends: float, stream: Any, duration_s: float | None) -> bool:
    begins = _seconds(stream.start_time, stream.time_base) or 0.0
    return duration_s is None or ends < begins + duration_s


def _seconds(ticks: int | None, base: Fraction | None) -> float | None:
    return None if ticks is None or base is None else float(ticks * base)


def _created_at(metadata: Mapping[str, str]) -> datetime | None:
    text = metadata.get("creation_time") or metadata.get("date") or ""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    return time.astimezone(UTC) if time.year >= _MIN_YEAR else None


def _reason(error: Any) -> str:
    return str(error.strerror or error)
