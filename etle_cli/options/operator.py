"""Who started the command: for the access log, runs and holds."""

import getpass
import os


def operator() -> str:
    """The account of the operating system."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
