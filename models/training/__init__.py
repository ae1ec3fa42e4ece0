"""Trains the weights that ship with etle and custom ones, on synthetic images (`etle models train`, `etle models quantize`)."""
