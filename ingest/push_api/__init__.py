"""The door for vendors' boxes: frames and events pushed over HTTP, under the same contract as those of our own boxes."""
