"""Size, quality and CPU time of the JPEGs of an edge device, against the usual encoder: decode to BGR, OpenCV, quality 90.

Every picture of the footage is decoded once; each encoder starts from the decoder's picture. Quality is measured on luma against the BGR
picture that OpenCV gets, which is exact for OpenCV and includes a rounding error for etle. CPU time is of one thread, from the decoder's
picture to the bytes.

With --plates, a folder of photos with `plates_full.csv` (file, plate_text, x1, y1, x2, y2), each photo is also encoded with each encoder,
and its plates are read, because the loss matters only where it changes the text.
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

    def row(self, encoder: str) -> dict[str, Any]:
        return {
            "way": encoder,
            "bytes": round(fmean(self.sizes)),
            "PSNR dB": round(fmean(self.psnr_db), 2),
            "SSIM": round(fmean(self.ssim), 4),
            "CPU ms": round(fmean(self.cpu_ms), 2),
        }


def main() -> None:
    args = _arguments()
    cv2.setNumThreads(1)
    encoders: dict[str, Encode] = {f"etle, quantiser {quantiser}": JpegEncoder(quantiser).encode for quantiser in QUANTISERS}
    encoders |= {f"OpenCV, quality {quality}": opencv(quality) for quality in QUALITIES}
    totals = {name: QualityTotals() for name in encoders}
    decode_ms, pictures = [], 0
    for picture, spent_ms in decoded(args.video, args.every):
        decode_ms.append(spent_ms)
        measure(picture, encoders, totals)
        pictures += 1
    rows = [total.row(name) for name, total in totals.items()]
    report.show(f"{args.video.name}, {pictures} pictures; decoding one takes {fmean(decode_ms):.1f} ms", rows)
    ours, reference = (next(row for row in rows if row["way"] == name) for name in (OURS, REFERENCE))
    ratio = ours["bytes"] / reference["bytes"]
    print(f"bytes of {OURS} / bytes of {REFERENCE}: {ratio:.3f}")
    plates = plates_read(args.plates, encoders) if args.plates else []
    if plates:
        report.show(f"plates of {args.plates.name} read right", plates)
    report.save(args.json, {"ratio": ratio, "decode_cpu_ms": fmean(decode_ms), "pictures": pictures, "ways": rows, "plates": plates})


def decoded(video: Path, every: int) -> Iterator[tuple[Any, float]]:
    """Each n-th picture, and the mean CPU milliseconds of decoding one picture since the previous one."""
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        started = time.process_time()
        for number, picture in enumerate(container.decode(stream), 1):
            if number % every == 0:
                yield picture, (time.process_time() - started) * 1000 / every
                started = time.process_time()


def opencv(quality: int) -> Encode:
    def encode(picture: Any) -> bytes:
        encoded, data = cv2.imencode(".jpg", picture.to_ndarray(format="bgr24"), [cv2.IMWRITE_JPEG_QUALITY, quality])
        assert encoded
        return bytes(data)

    return encode


def measure(picture: Any, encoders: dict[str, Encode], totals: dict[str, QualityTotals]) -> None:
    reference = cv2.cvtColor(picture.to_ndarray(format="bgr24"), cv2.COLOR_BGR2GRAY)
    for name, encode in encoders.items():
        started = time.process_time()
        data = encode(picture)
        spent = time.process_time() - started
        decoded_luma = cv2.cvtColor(decode_jpeg(data), cv2.COLOR_BGR2GRAY)
        total = totals[name]
        total.cpu_ms.append(spent * 1000)
        total.sizes.append(len(data))
        total.psnr_db.append(cv2.PSNR(reference, decoded_luma))
        total.ssim.append(ssim(reference, decoded_luma))


def decode_jpeg(data: bytes) -> Pixels:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def plates_read(folder: Path, encoders: dict[str, Encode]) -> list[dict[str, Any]]:
    """For each encoder, the number of plates read exactly as labelled, in the labelled boxes."""
    from models.plates.readers.ppocr import PpOcrPlateReader
    from models.weights.locate import weight

    reader = PpOcrPlateReader(weight("ppocrv6-rec"))
    with (folder / "plates_full.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["plate_text"] and row["x1"]]
    right = dict.fromkeys(("original", *encoders), 0)
    for name in sorted({row["file"] for row in rows}):
        photo = np.asarray(cv2.imread(str(folder / name)), np.uint8)
        frame = av.VideoFrame.from_ndarray(photo, format="bgr24")
        encoded = {encoder: decode_jpeg(encode(frame)) for encoder, encode in encoders.items()}
        for row in (row for row in rows if row["file"] == name):
            for encoder, picture in {"original": photo, **encoded}.items():
                right[encoder] += reader.read([plate_crop(picture, row)])[0].text == row["plate_text"]
    return [{"way": encoder, "right": count, "of": len(rows)} for encoder, count in right.items()]


def plate_crop(picture: Pixels, row: dict[str, str]) -> Pixels:
    """The box with margins of 1/20 of its width and 1/10 of its height."""
    x1, y1, x2, y2 = (int(float(row[key])) for key in ("x1", "y1", "x2", "y2"))
    margin_x, margin_y = (x2 - x1) // 20, (y2 - y1) // 10
    return np.ascontiguousarray(picture[max(0, y1 - margin_y) : y2 + margin_y, max(0, x1 - margin_x) : x2 + margin_x])


def ssim(first: Pixels, second: Pixels) -> float:
    """Mean SSIM of two uint8 pictures (Wang et al. 2004: Gaussian window of 11 pixels, sigma 1.5)."""
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
    parser.add_argument("--video", type=Path, default=configs_folder() / "demo" / "masuk.mp4", help="default: the bundled footage")
    parser.add_argument("--plates", type=Path, metavar="DIR", help="photos with labelled plates, which are read after encoding")
    parser.add_argument("--every", type=int, default=5, help="encode each n-th picture (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
