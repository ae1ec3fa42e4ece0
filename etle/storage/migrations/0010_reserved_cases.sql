-- A case that is leased to a reviewer ahead of the one on the screen, so that its pictures are there when it comes up.
ALTER TABLE queue ADD ahead boolean NOT NULL DEFAULT false CHECK (NOT ahead OR reviewer IS NOT NULL);
