"""Processes recorded frames again: from the archive, or from a site's files, through the same stages with the same ids as live.

What is found is a run, which is kept beside the cases, compared with them or with another run, and promoted by two people.
"""
