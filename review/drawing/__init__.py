"""The pages on which a site is drawn and calibrated: `etle calibrate serve`."""
