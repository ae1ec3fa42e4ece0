"""Measures plate detection and reading on labelled photos (`etle evaluate plates`), and violations on labelled footage."""
