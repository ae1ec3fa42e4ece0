"""Addresses that servers listen on: this machine only, unless told otherwise, and a loud line where others could listen in."""

import ipaddress
import logging
from typing import Final

log = logging.getLogger(__name__)
LOOPBACK: Final = "127.0.0.1"


def warn_of_plain_http(service: str, host: str, remedy: str) -> None:
    """Unless `host` is this machine only."""
    if not _is_loopback(host):
        log.warning(
            "%s on %s speaks HTTP without TLS: whoever is on the way can read passwords, secrets and pictures. %s", service, host, remedy
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
