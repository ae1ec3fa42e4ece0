"""Site files with random faults: values of other types, YAML's odd features, lines taken out, moved or repeated, characters changed."""

import re
from collections.abc import Iterator
from random import Random

_ODD_VALUES = (
    "2026-99-99", "2026-11-23", "2026-11-23 10:00:00", "12:30:45", "1:2", ".nan", "-.inf", "1e999", "1e-400", "0o17", "-0", "1_000",
    "0x" + "f" * 5000, "1" * 5000, "9" * 30, "-" + "9" * 30, "!!python/object x", "!!binary ä", "!!set {a}", "!!int x", "!!float x",
    "!!bool x", "!!null x", "!!map x", "!!seq x", "!!str [a]", "!!omap [a: 1]", "!!timestamp z", "*x", "&x [*x]", "<<", "[]", "{}", "null",
    "~", "true", "", "-", r'"\0"', r'"\ud800"', r'"\u202e"', "[" * 300 + "]" * 300, "{a: {b: {c: {d: 1}}}}", '"' + "x" * 10_000 + '"',
    "${X}", "${", '"http://[::1"', "rtsp://a:b@/", "Infinity", "id", "file", "rule", "px",
)  # fmt: skip
_ODD_CHARACTERS = "\x00\x01\t\"':[]{}&*!\x85\u2028\ufeff\u202e\U0001f600\ud800"


def mutated_sites(text: str, count: int, seed: int) -> Iterator[bytes]:
    """`count` files made from `text`, each with one to three faults."""
    for number in range(count):
        random, mutated = Random(f"{seed}/{number}"), text
        for _ in range(random.randint(1, 3)):
            mutated = random.choice(_MUTATIONS)(mutated, random)
        yield mutated.encode("utf-8", "surrogatepass")


def _replaced(pattern: str, text: str, random: Random) -> str:
    found = list(re.finditer(pattern, text))
    if not found:
        return text
    match = random.choice(found)
    return text[: match.start()] + random.choice(_ODD_VALUES) + text[match.end() :]


def _value(text: str, random: Random) -> str:
    return _replaced(r"(?<=: )\S.*", text, random)


def _number(text: str, random: Random) -> str:
    return _replaced(r"-?\d+(\.\d+)?", text, random)


def _word(text: str, random: Random) -> str:
    return _replaced(r"[a-z_]{2,}", text, random)


def _character(text: str, random: Random) -> str:
    at = random.randrange(len(text) + 1)
    return text[:at] + random.choice(_ODD_CHARACTERS) + text[at + random.randrange(3) :]


def _cut(text: str, random: Random) -> str:
    return text[: random.randrange(len(text) + 1)]


def _line(text: str, random: Random) -> str:
    """A line is taken out, repeated elsewhere, indented or exchanged with another."""
    lines = text.split("\n")
    at, other = random.randrange(len(lines)), random.randrange(len(lines))
    match random.randrange(4):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, lines[other])
        case 2:
            lines[at] = " " * random.randint(1, 4) + lines[at]
        case _:
            lines[at], lines[other] = lines[other], lines[at]
    return "\n".join(lines)


def _bomb(text: str, random: Random) -> str:
    """Nine levels of nine aliases each: 3 x 10^8 values in 341 bytes."""
    levels = "\n".join(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]" for before, name in zip("abcdefgh", "bcdefghi", strict=True))
    return f"a: &a [x, x, x, x, x, x, x, x, x]\n{levels}\n" + text


_MUTATIONS = (_value, _value, _number, _number, _word, _character, _cut, _line, _line, _bomb)
