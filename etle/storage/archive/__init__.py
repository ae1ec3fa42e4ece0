"""The archive: every frame of a site, bit-exact, in segments per camera and hour, from which it can be processed again.

A segment is a Matroska file that players open (`etle.media.matroska`) and an index beside it with one record per frame. What is archived
is the message of the frame: its JPEG, and all headers with the signature of the device.
"""
