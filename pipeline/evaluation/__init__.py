"""How well plates are found and read on photos whose plates are known: `etle evaluate plates`."""
