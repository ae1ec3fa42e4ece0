"""Configuration: the site file, the law files, and the files that ship with etle."""
