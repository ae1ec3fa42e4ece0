"""JSON with one spelling for each value, so that its bytes can be hashed and signed."""

import json


def canonical_json(value: object) -> bytes:
    """Sorted keys, no spaces, ASCII. Raises ValueError for NaN and infinity, which JSON lacks."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
