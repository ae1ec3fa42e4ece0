"""No message shows a password: neither one that a site file takes from the environment, nor one in an address."""

import json
import logging
from io import StringIO
from pathlib import Path

import pytest

from etle.address import Address
from etle.config.site import load_site
from etle.config.strict_yaml import interpolate_env
from etle.errors import ConfigError, SourceUnavailable
from etle.observability.logs import JsonFormatter, TextFormatter
from etle.redaction import conceal, redacted

PASSWORDS = ("Rahasia77", "pa#ss/wo?rd", "p%40ss word", "s@cret:1", "Ω-geheim")


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("template", ["rtsp://admin:{}@10.0.0.7/1", "http://10.0.0.7/flv?port=1&user=admin&password={}", "{}", "x={}&y"])
def test_what_was_filled_in_is_shown_by_its_name(password: str, template: str) -> None:
    document = interpolate_env({"a": template.format("${CAMERA_PASSWORD}")}, {"CAMERA_PASSWORD": password}, "site.yaml")
    message = f"the camera at {document['a']} is away"
    for shown in (str(SourceUnavailable(message)), str(ConfigError(f"{Exception(message)!r}")), redacted(f"url={document['a']!r}")):
        assert password not in shown
        assert any(expected in shown for expected in ("${CAMERA_PASSWORD}", "***", "rtsp://10.0.0.7"))


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_logs_and_tracebacks_show_no_secret(formatter: logging.Formatter) -> None:
    conceal("Rahasia77", "${CAMERA_PASSWORD}")
    out = StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    log = logging.Logger("test")
    log.addHandler(handler)
    try:
        raise ValueError("cannot connect to rtsp://admin:Rahasia77@10.0.0.7")
    except ValueError:
        log.exception("failed with %s", "Rahasia77", extra={"url": "http://x/?password=Rahasia77"})
    assert "Rahasia77" not in out.getvalue() and "cannot connect" in out.getvalue()
    assert isinstance(formatter, TextFormatter) or json.loads(out.getvalue())["level"] == "error"


@pytest.mark.parametrize(
    ("url", "requested", "user", "password", "shown"),
    [
        pytest.param("rtsp://a:b@h:554/1", "rtsp://a:b@h:554/1", "a", "b", "rtsp://h:554/1", id="plain"),
        pytest.param("rtsp://a:p%23q@h/1", "rtsp://a:p%23q@h/1", "a", "p#q", "rtsp://h/1", id="encoded"),
        pytest.param("rtsp://a:p#q@h/1", "rtsp://a:p%23q@h/1", "a", "p#q", "rtsp://h/1", id="with a hash"),
        pytest.param("rtsp://a:p/q?x@h/1", "rtsp://a:p%2Fq%3Fx@h/1", "a", "p/q?x", "rtsp://h/1", id="with a slash and a question mark"),
        pytest.param("rtsp://a:b#c@[::1]:554/a", "rtsp://a:b%23c@[::1]:554/a", "a", "b#c", "rtsp://[::1]:554/a", id="IPv6"),
        pytest.param("http://h:80/a", "http://h:80/a", None, None, "http://h:80/a", id="without user"),
        pytest.param("http://h/flv?ch=1&user=me&password=x&z=1", "http://h/flv?ch=1&user=me&password=x&z=1", None, None,
                     "http://h/flv?ch=1&user=***&password=***&z=1", id="in the query"),
    ],
)  # fmt: skip
def test_an_address_is_used_with_its_password_and_shown_without(
    url: str, requested: str, user: str | None, password: str | None, shown: str
) -> None:
    address = Address.of(url)
    assert (address.url, address.user, address.password, address.shown) == (requested, user, password, shown)


def test_an_address_without_a_valid_host_is_refused_without_repeating_it(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("site: a\ncameras: [{id: a, view: rear, frame_size: [64, 48], source: {rtsp: 'rtsp://u:${P}@h:x/1'}}]\n")
    with pytest.raises(ConfigError, match="no valid host and port") as refused:
        load_site(path, {"P": "Rahasia77"})
    assert "Rahasia77" not in str(refused.value)
