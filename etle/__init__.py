"""ETLE: from a camera's frames to cases that a reviewer decides. This package has what all stages share."""

__version__ = "0.1.0"
