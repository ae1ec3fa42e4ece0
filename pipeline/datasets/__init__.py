"""Data sets for training, from cases that reviewers decided: pictures, boxes, plate texts, and how long they may be kept."""
