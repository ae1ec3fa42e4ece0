"""Pictures of traffic that we draw ourselves, with the exact corners of every number plate in them: what the plate finder is trained on.

backdrop (wall, road, clutter) -> vehicles (drawn, or of the bundled simulated footage) -> plates (rendered, in perspective) -> light
(night, lamps) -> camera (blur, noise, squeeze, JPEG)

Everything is drawn from a random generator, so that a seed gives the same pictures. No photograph is used.
"""
