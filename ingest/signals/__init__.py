"""Feeds of signal controllers: their messages travel with the frames of the camera that sees the approach."""
