"""Writes PDF 1.4 with text, lines, boxes and JPEGs, without a package.

The pictures stay the JPEG bytes that they are (DCTDecode), so that a report shows the evidence itself and not a copy that was encoded
again. Text is in Helvetica, which every reader has, with the characters of Windows-1252; others are shown as a question mark.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from etle.media.jpeg import components_of, size_of

WIDTH: Final = 595.0
HEIGHT: Final = 842.0
"""A4 in points."""
_HELVETICA: Final = (
    "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 278 278 584 584 584 556 "
    "1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 722 667 611 722 667 944 667 667 611 278 278 278 469 556 "
    "333 556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 556 556 333 500 278 556 500 722 500 500 500 334 260 334 584"
)
_WIDTHS: Final = tuple(map(int, _HELVETICA.split()))
"""Of the characters from space to tilde, in thousandths of the font size; bold letters are up to a tenth wider."""
_BOLD: Final = 1.1
_SUBSTITUTES: Final = {"\N{MINUS SIGN}": "-", "\N{RIGHTWARDS ARROW}": ">", "\N{NARROW NO-BREAK SPACE}": " "}
Colour = tuple[float, float, float]


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """In points; characters beyond ASCII count as wide as a digit."""
    units = sum(_WIDTHS[ord(each) - 32] if " " <= each <= "~" else 556 for each in text)
    return units * size / 1000 * (_BOLD if bold else 1.0)


def wrapped(text: str, size: float, width: float, *, bold: bool = False) -> list[str]:
    """Lines no wider than `width` points; a word that is wider is broken."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".lstrip()
            if line and text_width(longer, size, bold=bold) > width:
                lines.append(line)
                longer = word
            while text_width(longer, size, bold=bold) > width:
                end = next(n for n in range(len(longer), 0, -1) if n == 1 or text_width(longer[:n], size, bold=bold) <= width)
                lines.append(longer[:end])
                longer = longer[end:]
            line = longer
        lines.append(line)
    return lines


@dataclass(slots=True)
class PdfPage:
    """Coordinates are in points from the upper left corner."""

    content: list[str] = field(default_factory=list)
    images: list[bytes] = field(default_factory=list)

    def text(self, x: float, y: float, text: str, size: float = 10, *, bold: bool = False) -> None:
        """`y` is the baseline."""
        plain = "".join(_SUBSTITUTES.get(each, each) for each in text).encode("cp1252", "replace").decode("latin-1")
        escaped = plain.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
        self.content.append(f"BT /{'F2' if bold else 'F1'} {size:g} Tf {x:.2f} {HEIGHT - y:.2f} Td ({escaped}) Tj ET")

    def line(self, x0: float, y0: float, x1: float, y1: float, colour: Colour = (0.6, 0.6, 0.6), width: float = 0.5) -> None:
        self.content.append(f"{_rgb(colour)} RG {width:g} w {x0:.2f} {HEIGHT - y0:.2f} m {x1:.2f} {HEIGHT - y1:.2f} l S")

    def box(self, x: float, y: float, width: float, height: float, colour: Colour, stroke: float = 1.2) -> None:
        """`x`, `y`: upper left corner."""
        self.content.append(f"{_rgb(colour)} RG {stroke:g} w {x:.2f} {HEIGHT - y - height:.2f} {width:.2f} {height:.2f} re S")

    def jpeg(self, data: bytes, x: float, y: float, width: float, height: float) -> None:
        self.content.append(f"q {width:.2f} 0 0 {height:.2f} {x:.2f} {HEIGHT - y - height:.2f} cm /I{len(self.images)} Do Q")
        self.images.append(data)


def pdf_of(pages: Sequence[PdfPage], title: str) -> bytes:
    """The document. Raises FrameBroken if a picture is no JPEG."""
    objects: list[bytes] = [b"", b"", _font("Helvetica"), _font("Helvetica-Bold")]  # the first two are filled in below
    kids = []
    for page in pages:
        images = []
        for number, data in enumerate(page.images):
            objects.append(_image(data))
            images.append(f"/I{number} {len(objects)} 0 R")
        objects.append(_stream(b"", "\n".join(page.content).encode("latin-1")))
        resources = f"/Font << /F1 3 0 R /F2 4 0 R >> /XObject << {' '.join(images)} >>"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {WIDTH:g} {HEIGHT:g}] /Contents {len(objects)} 0 R"
            f" /Resources << {resources} >> >>".encode()
        )
        kids.append(f"{len(objects)} 0 R")
    objects.append(f"<< /Title {_utf16(title)} /Producer (etle) >>".encode())
    objects[0] = b"<< /Type /Catalog /Pages 2 0 R >>"
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>".encode()
    return _file(objects)


def _file(objects: Sequence[bytes]) -> bytes:
    """The last object is the document's information."""
    out, offsets = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"), []
    for number, content in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R /Info %d 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(objects), start)
    return bytes(out)


def _image(data: bytes) -> bytes:
    size = size_of(data)
    space = {1: "DeviceGray", 3: "DeviceRGB", 4: "DeviceCMYK"}[components_of(data)]
    head = f"/Type /XObject /Subtype /Image /Width {size.width} /Height {size.height} /ColorSpace /{space} /BitsPerComponent 8"
    return _raw_stream(f"{head} /Filter /DCTDecode".encode(), data)


def _stream(head: bytes, data: bytes) -> bytes:
    return _raw_stream(head + b"/Filter /FlateDecode", zlib.compress(data))


def _raw_stream(head: bytes, data: bytes) -> bytes:
    return b"<< %b /Length %d >>\nstream\n%b\nendstream" % (head, len(data), data)


def _font(name: str) -> bytes:
    return f"<< /Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding >>".encode()


def _utf16(text: str) -> str:
    return f"<FEFF{text.encode('utf-16-be').hex().upper()}>"


def _rgb(colour: Colour) -> str:
    return " ".join(f"{value:g}" for value in colour)
