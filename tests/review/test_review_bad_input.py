"""Input that no page of ours sends is refused with an error page in words, never with a traceback and status 500."""

from collections.abc import Callable

import httpx
import pytest
from review_app import RunningReview, SignedInUser
from review_cases import CaseSpec

MULTIPART = 'multipart/form-data; boundary=x; charset="{}"'
BODY = b'--x\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n\\ud800\r\n--x--\r\n'


def assert_refused(answer: httpx.Response, *statuses: int) -> None:
    assert answer.status_code in (statuses or (400,))
    assert len(answer.text.split()) > 3 and "Traceback" not in answer.text


@pytest.mark.parametrize("charset", ["unicode_escape", "utf-7", "idna", "hex", "nonsense"])
@pytest.mark.parametrize("path", ["/sign-in", "/language", "/next"])
def test_a_form_that_is_not_url_encoded_is_refused(review: RunningReview, path: str, charset: str) -> None:
    with review.browser() as browser:
        review.csrf_token(browser, "/sign-in")
        answer = browser.post(path, content=BODY, headers={"Content-Type": MULTIPART.format(charset)})
    assert_refused(answer, 415)


@pytest.mark.parametrize("query", ["plate=%00", "camera=a%00b", "rule=%00", "from=0001-01-01", "to=9999-12-31", "to=0000-00-00"])
def test_filters_that_match_no_case(sign_in: Callable[..., SignedInUser], query: str) -> None:
    answer = sign_in("sari").get(f"/cases?{query}")
    if answer.status_code != 200:  # the plate's grammar drops a NUL
        assert_refused(answer)


@pytest.mark.parametrize("query", ["who=%00", f"before={'9' * 5000}", f"before={2**63}"])
def test_filters_of_the_access_log(sign_in: Callable[..., SignedInUser], query: str) -> None:
    assert_refused(sign_in("agus").get(f"/log?{query}"))


@pytest.mark.parametrize("fields", [{"note": "a\0b"}, {"known_decisions": "9" * 5000}, {"opened": "\0"}, {"plate": "B1\0"}])
def test_verdicts(review: RunningReview, reviewer: SignedInUser, fields: dict[str, str]) -> None:
    case = review.assign_new(reviewer, CaseSpec(name="bad input"))
    form = reviewer.form(case) | {"answer": "reject no_violation"} | fields
    answer = reviewer.post(form.pop("action"), **form)
    if answer.status_code != 303:  # a start that is not signed gives no duration; a NUL is no letter of a plate
        assert_refused(answer)


@pytest.mark.parametrize("header", ["bytes=" + "9" * 5000 + "-", "bytes=-" + "0" * 5000])
def test_ranges_of_thousands_of_digits(review: RunningReview, reviewer: SignedInUser, header: str) -> None:
    case = review.assign_new(reviewer, CaseSpec(name="bad range"))
    assert reviewer.get(review.evidence_path(case), headers={"Range": header}).status_code == 416


def test_the_path_to_return_to(review: RunningReview) -> None:
    with review.browser() as browser:
        assert browser.get("/sign-in?next=//[").status_code == 200
        token = review.csrf_token(browser, "/sign-in")
        answer = browser.post("/language", data={"csrf": token, "language": "en", "back": "//["})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
