"""Renamed options and subcommands: the old spelling works for one release and prints one notice on standard error.

Arguments are rewritten before argparse reads them, so the old names appear in no help text and need no code in the commands.
To rename something, rename it in its command and add one row to RENAMED. Empty the table at the next release.
"""

from collections.abc import Mapping, Sequence
from typing import Final

RENAMED: Final[Mapping[str, str]] = {
    "detect --silence": "--idle-timeout",
    "init --watch": "--duration",
    "keys ingest --box": "--device",
    "models pull --from": "--local",
    "models quantize reader --share": "--interpolate",
    "models train plate-finder --share": "--interpolate",
    "models train reader --share": "--interpolate",
    "models train rounded-reader": "models quantize reader",
    "vendor serve --certificate": "--tls-cert",
    "vendor serve --key": "--tls-key",
    "vendor serve --dry": "--dry-run",
}
"""Old spelling to new. `COMMAND [ACTION] --old` to `--new`, or the words of a subcommand to its new words; options use the new words."""


def with_new_names(arguments: Sequence[str], renamed: Mapping[str, str] = RENAMED) -> tuple[list[str], list[str]]:
    """The arguments in their present spelling, and a notice for each name that was replaced."""
    found, notices = list(arguments), []
    start = next((place for place, word in enumerate(found) if not word.startswith("-")), len(found))
    for old, new in renamed.items():
        *command, last = old.split()
        if not last.startswith("-"):
            words = [*command, last]
            if found[start : start + len(words)] == words:
                found[start : start + len(words)] = new.split()
                notices.append(_notice(old, new))
    for old, new in renamed.items():
        *command, option = old.split()
        if option.startswith("-") and found[start : start + len(command)] == command:
            replaced = _with_option(found, option, new)
            if replaced != found:
                found = replaced
                notices.append(_notice(option, new))
    return found, notices


def _with_option(arguments: Sequence[str], old: str, new: str) -> list[str]:
    """`--old VALUE` and `--old=VALUE`, up to `--`, behind which argparse reads no options."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = [new + word.removeprefix(old) if word == old or word.startswith(f"{old}=") else word for word in arguments[:end]]
    return [*options, *arguments[end:]]


def _notice(old: str, new: str) -> str:
    return f"deprecated: {old} is now {new}; the old name goes with the next release"
