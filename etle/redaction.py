"""Keeps secrets out of messages: a value that a site file took from the environment is shown as `${NAME}`.

The values are known to the whole process, because an error can come from any library that was given an address. `EtleError` and the log
formatters apply `redacted`.
"""

import re
from threading import Lock
from urllib.parse import quote, unquote

_MIN_CHARACTERS = 4
"""A shorter value, such as the number of a channel, occurs in other words as well; addresses are redacted by `etle.address`."""
_SECRET_KEYS = r"pass(?:word|wd|phrase)?|pwd|pw|secret|token|key|apikey|api_key|auth|user(?:name)?|usr|login|session|sid|sig(?:nature)?"
_IN_QUERY = re.compile(rf"(?i)([?&;](?:{_SECRET_KEYS})=)[^&;\s'\"]*")
_USER_INFO = re.compile(r"(?<=://)[^\s'\"]*@")
_names: dict[str, str] = {}
_lock = Lock()


def conceal(value: str, name: str) -> None:
    """Show `name` instead of `value`, and of its percent-encoded and decoded forms, from now on."""
    with _lock:
        for form in (value, unquote(value), quote(value, safe=""), quote(value)):
            if len(form) >= _MIN_CHARACTERS:
                _names.setdefault(form, name)


def redacted(text: str) -> str:
    """`text` without concealed values, without user and password of addresses, and without the secrets in their queries."""
    for value in sorted(_names, key=len, reverse=True):
        if value in text:
            text = text.replace(value, _names[value])
    if "://" in text:
        text = _IN_QUERY.sub(r"\1***", _USER_INFO.sub("", text))
    return text
