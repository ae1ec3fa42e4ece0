"""The readable part of an evidence package: the report of a case as a PDF."""
