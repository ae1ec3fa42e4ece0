"""What a camera box's JPEGs cost and keep, against the way that most programs take: decode to BGR, OpenCV, quality 90.

Every picture of the footage is decoded once; both ways begin with the decoder's picture. What each JPEG shows is compared with the BGR
picture that OpenCV was given, on luma: that is exact for OpenCV's way and costs ours a rounding. CPU time is of one thread, from the
decoder's picture to the bytes.

With --plates, a folder of photos with `plates_full.csv` (file, plate_text, x1, y1, x2, y2), each photo is also encoded both ways, and the
plates in it are read: what a JPEG may lose is what nobody reads.
"""

import argparse
import csv
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark import report
from etle.config.packaged import configs_folder
from etle.media.video import QUANTISER, JpegEncoder

Pixels = NDArray[np.uint8]
Encode = Callable[[Any], bytes]
QUANTISERS = (2, QUANTISER, 4, 5, 8)
QUALITIES = (75, 80, 85, 90, 95)
REFERENCE = "OpenCV, quality 90"
OURS = f"etle, quantiser {QUANTISER}"


@dataclass(slots=True)
class QualityTotals:
    sizes: list[int] = field(default_factory=list)
    psnr_db: list[float] = field(default_factory=list)
    ssim: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)

    def row(self, way: str) -> dict[str, Any]:
        return {
            "way": way,
            "bytes": round(fmean(self.sizes)),
            "PSNR dB": round(fmean(self.psnr_db), 2),
            "SSIM": round(fmean(self.ssim), 4),
            "CPU ms": round(fmean(self.cpu_ms), 2),
        }


def main() -> None:
    args = _arguments()
    cv2.setNumThreads(1)
    ways: dict[str, Encode] = {f"etle, quantiser {quantiser}": JpegEncoder(quantiser).encode for quantiser in QUANTISERS}
    ways |= {f"OpenCV, quality {quality}": opencv(quality) for quality in QUALITIES}
    tallies = {way: QualityTotals() for way in ways}
    decode_ms, pictures = [], 0
    for picture, spent_ms in decoded(args.video, args.every):
        decode_ms.append(spent_ms)
        measure(picture, ways, tallies)
        pictures += 1
    rows = [tally.row(way) for way, tally in tallies.items()]
    report.show(f"{args.video.name}, {pictures} pictures; decoding one takes {fmean(decode_ms):.1f} ms", rows)
    ours, reference = (next(row for row in rows if row["way"] == way) for way in (OURS, REFERENCE))
    ratio = ours["bytes"] / reference["bytes"]
    print(f"bytes of {OURS}, over those of {REFERENCE}: {ratio:.3f}")
    plates = plates_read(args.plates, ways) if args.plates else []
    if plates:
        report.show(f"plates of {args.plates.name} that are read right", plates)
    report.save(args.json, {"ratio": ratio, "decode_cpu_ms": fmean(decode_ms), "pictures": pictures, "ways": rows, "plates": plates})


def decoded(video: Path, every: int) -> Iterator[tuple[Any, float]]:
    """Each n-th picture, and the CPU milliseconds that decoding took a picture since the last one."""
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        begun = time.process_time()
        for number, picture in enumerate(container.decode(stream), 1):
            if number % every == 0:
                yield picture, (time.process_time() - begun) * 1000 / every
                begun = time.process_time()


def opencv(quality: int) -> Encode:
    def encode(picture: Any) -> bytes:
        done, data = cv2.imencode(".jpg", picture.to_ndarray(format="bgr24"), [cv2.IMWRITE_JPEG_QUALITY, quality])
        assert done
        return bytes(data)

    return encode


def measure(picture: Any, ways: dict[str, Encode], tallies: dict[str, QualityTotals]) -> None:
    wanted = cv2.cvtColor(picture.to_ndarray(format="bgr24"), cv2.COLOR_BGR2GRAY)
    for way, encode in ways.items():
        begun = time.process_time()
        data = encode(picture)
        spent = time.process_time() - begun
        shown = cv2.cvtColor(decoded_again(data), cv2.COLOR_BGR2GRAY)
        tally = tallies[way]
        tally.cpu_ms.append(spent * 1000)
        tally.sizes.append(len(data))
        tally.psnr_db.append(cv2.PSNR(wanted, shown))
        tally.ssim.append(ssim(wanted, shown))


def decoded_again(data: bytes) -> Pixels:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def plates_read(folder: Path, ways: dict[str, Encode]) -> list[dict[str, Any]]:
    """For each way, how many plates are read letter by letter as they are labelled; the boxes are the labels' too."""
    from models.plates.readers.ppocr import PpOcrPlateReader
    from models.weights.locate import weight

    reader = PpOcrPlateReader(weight("ppocrv6-rec"))
    with (folder / "plates_full.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["plate_text"] and row["x1"]]
    right = dict.fromkeys(("as it came", *ways), 0)
    for name in sorted({row["file"] for row in rows}):
        photo = np.asarray(cv2.imread(str(folder / name)), np.uint8)
        frame = av.VideoFrame.from_ndarray(photo, format="bgr24")
        shown = {way: decoded_again(encode(frame)) for way, encode in ways.items()}
        for row in (row for row in rows if row["file"] == name):
            for way, picture in {"as it came": photo, **shown}.items():
                right[way] += reader.read([plate_crop(picture, row)])[0].text == row["plate_text"]
    return [{"way": way, "right": count, "of": len(rows)} for way, count in right.items()]


def plate_crop(picture: Pixels, row: dict[str, str]) -> Pixels:
    """With a margin of a twentieth of its width and a tenth of its height."""
    x1, y1, x2, y2 = (int(float(row[key])) for key in ("x1", "y1", "x2", "y2"))
    aside, above = (x2 - x1) // 20, (y2 - y1) // 10
    return np.ascontiguousarray(picture[max(0, y1 - above) : y2 + above, max(0, x1 - aside) : x2 + aside])


def ssim(first: Pixels, second: Pixels) -> float:
    """Wang et al. 2004: Gaussian window of 11 pixels, sigma 1.5."""
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    a, b = first.astype(np.float32), second.astype(np.float32)

    def mean(image: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(cv2.GaussianBlur(image, (11, 11), 1.5))

    ma, mb = mean(a), mean(b)
    va, vb, shared = mean(a * a) - ma * ma, mean(b * b) - mb * mb, mean(a * b) - ma * mb
    similar = (2 * ma * mb + c1) * (2 * shared + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2))
    return float(similar.mean())


def _arguments() -> argparse.Namespace:
    parser = report.parser("jpeg", __doc__)
    parser.add_argument("--video", type=Path, default=configs_folder() / "demo" / "masuk.mp4", help="footage (default: the bundled one)")
    parser.add_argument("--plates", type=Path, metavar="DIR", help="photos with labelled plates, to be read after encoding")
    parser.add_argument("--every", type=int, default=5, help="only each n-th picture is encoded (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
