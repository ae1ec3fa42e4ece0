"""Random Indonesian registration plates: valid numbers and their pictures.

White with black letters is the current plate, black with white letters the previous one; yellow is for public transport and goods, red
for the government. The line below the number is the month and year in which the registration expires.
"""

import random
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

FONT = "DejaVuSansCondensed-Bold.ttf"
SIZES_M = {"car": (0.430, 0.135), "motorcycle": (0.275, 0.110)}
COLOURS = {
    "white": ((236, 236, 232), (14, 14, 14)),
    "black": ((16, 16, 16), (238, 238, 236)),
    "yellow": ((240, 188, 20), (12, 12, 12)),
    "red": ((176, 18, 22), (242, 240, 238)),
}
REGIONS = {"B": 42, "D": 9, "F": 8, "A": 5, "T": 4, "Z": 3, "E": 3, "AB": 4, "AD": 3, "BE": 3, "BG": 3, "L": 5, "N": 3, "H": 3, "DK": 2}
NUMBERS = {"car": (1000, 1999), "motorcycle": (3000, 6999), "bus": (7000, 7999), "truck": (9000, 9999)}  # valid in every area
LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"  # I, O and Q are rarely issued, because they resemble 1 and 0
NOT_ISSUED = ("RF", "ZZ", "QH", "IR")  # prefixes of suffixes that are reserved for officials or no longer issued


@dataclass(frozen=True, slots=True)
class Registration:
    number: str
    """With spaces, as on the plate."""
    expiry: str
    colour: str

    @property
    def plain(self) -> str:
        return self.number.replace(" ", "")


def draw_registration(rng: random.Random, kind: str) -> Registration:
    region = rng.choices(list(REGIONS), list(REGIONS.values()))[0]
    suffix = _suffix(rng)
    number = f"{region} {rng.randint(*NUMBERS[kind])} {suffix}"
    # A registration is valid for five years, so it expires between this month and five years from now.
    month = rng.randint(0, 59) + 11
    expiry = f"{month % 12 + 1:02d}·{26 + month // 12:02d}"
    if kind in ("bus", "truck"):
        return Registration(number, expiry, "yellow")
    return Registration(number, expiry, rng.choices(("white", "black", "red"), (76, 20, 4))[0])


def _suffix(rng: random.Random) -> str:
    while True:
        suffix = "".join(rng.choice(LETTERS) for _ in range(rng.choice((2, 3, 3))))
        if not suffix.startswith(NOT_ISSUED):
            return suffix


def plate_picture(registration: Registration, kind: str) -> Image.Image:
    """The plate in the size of its vehicle kind."""
    size = "motorcycle" if kind == "motorcycle" else "car"
    width, height = (860, 270) if size == "car" else (825, 330)
    ground, ink = COLOURS[registration.colour]
    picture = Image.new("RGB", (width, height), ground)
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((6, 6, width - 7, height - 7), 22, outline=ink, width=6)
    for text, top, tall, widest in ((registration.number, 0.12, 0.55, width - 64), (registration.expiry, 0.755, 0.155, width // 3)):
        _write(picture, text, round(height * top), round(height * tall), widest, ink)
    for x in (0.25, 0.75):  # the two bolts
        draw.ellipse((width * x - 9, height * 0.83 - 9, width * x + 9, height * 0.83 + 9), fill=(120, 120, 118))
    return picture


def _write(picture: Image.Image, text: str, top: int, tall: int, widest: int, ink: tuple[int, int, int]) -> None:
    font = ImageFont.truetype(FONT, 300)
    left, upper, right, lower = (round(v) for v in font.getbbox(text))
    stencil = Image.new("L", (right - left, lower - upper), 0)
    ImageDraw.Draw(stencil).text((-left, -upper), text, 255, font=font)
    wide = min(widest, round(stencil.width * tall / stencil.height * 0.92))
    stencil = stencil.resize((wide, tall), Image.Resampling.LANCZOS)
    picture.paste(Image.new("RGB", stencil.size, ink), ((picture.width - wide) // 2, top), stencil)
