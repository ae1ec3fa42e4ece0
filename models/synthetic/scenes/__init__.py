"""Synthetic traffic scenes with the exact corners of every number plate, for training the plate detector.

backdrop (wall, road, objects) -> vehicles (2D drawings, or sprites rendered by the simulator) -> plates (rendered, in perspective) -> light
(day, night, lamps) -> camera (blur, noise, aspect ratio, JPEG)

Everything is determined by a random generator: the same seed gives the same images. No photos are used.
"""
