"""The device grant (RFC 8628): what is shown, when to ask again, when to stop."""

from __future__ import annotations

import pytest
from builders import ISSUER, NOW, answer

from authgate_cli.errors import FlowUnavailable, Refused, SignInNeeded, Unreachable
from authgate_cli.oauth.authorization import Denied
from authgate_cli.oauth.device import (
    MARGIN,
    Pending,
    Poller,
    TryLater,
    authorization_fields,
    code_expired,
    interpret_poll,
    new_poller,
    parse_authorization,
)

GIVEN = {
    "device_code": "secret-device-code",
    "user_code": "ABCD-EFGH",
    "verification_uri": "https://auth.example.com/device",
    "verification_uri_complete": "https://auth.example.com/device?user_code=ABCD-EFGH",
    "expires_in": 600,
    "interval": 7,
}


def authorization(**changes):
    """Return what becomes of a good answer with these changes; None takes a member out."""
    document = {name: value for name, value in {**GIVEN, **changes}.items() if value is not None}
    return parse_authorization(answer(document), ISSUER, "the-verifier")


def judged(response):
    return parse_authorization(response, ISSUER, "the-verifier")


# -- the device authorization


def test_a_good_answer_is_read():
    assert authorization() == (
        "secret-device-code",
        "ABCD-EFGH",
        "https://auth.example.com/device",
        "https://auth.example.com/device?user_code=ABCD-EFGH",
        600,
        7,
        "the-verifier",
    )


@pytest.mark.parametrize(
    ("interval", "seconds"),
    [(None, 5), (0, 0), (2.5, 2.5), ("7", 5), (-1, 5), (True, 5), (1e300, 5), ([], 5)],
    ids=["missing", "0", "fraction", "text", "negative", "true", "1e300", "list"],
)
def test_the_interval_is_5_seconds_where_none_can_be_used(interval, seconds):
    assert authorization(interval=interval).interval == seconds


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [(None, 1800), (0, 0), ("600", 1800), (-1, 1800), (True, 1800), (1e300, 1800)],
    ids=["missing", "0", "text", "negative", "true", "1e300"],
)
def test_the_code_lives_half_an_hour_where_no_lifetime_can_be_used(expires_in, seconds):
    assert authorization(expires_in=expires_in).expires_in == seconds


def test_the_address_may_have_the_older_name():
    older = authorization(verification_uri=None, verification_url="https://auth.example.com/old")
    assert older.verification_uri == "https://auth.example.com/old"


NO_ADDRESSES = [
    "javascript:alert(1)",
    "file:///etc/passwd",
    "auth.example.com",
    "https://a.example/\x1b[2J",
    "https://",
]


@pytest.mark.parametrize("address", NO_ADDRESSES)
def test_only_web_addresses_are_shown(address):
    with pytest.raises(Refused, match="not a web address"):
        authorization(verification_uri=address)


@pytest.mark.parametrize("address", [*NO_ADDRESSES, None, 5])
def test_a_complete_address_that_is_none_is_left_out(address):
    assert authorization(verification_uri_complete=address).complete_uri is None


def test_the_user_code_is_made_safe_to_show():
    assert authorization(user_code="AB\x1b[2J\nCD").user_code == "AB[2J CD"


@pytest.mark.parametrize("name", ["device_code", "user_code", "verification_uri"])
@pytest.mark.parametrize("value", [None, "", 5], ids=["missing", "empty", "number"])
def test_an_answer_that_lacks_something_is_refused(name, value):
    with pytest.raises(Refused, match=f"has no {name}"):
        authorization(**{name: value})


NOT_OFFERED = {
    "unauthorized client": (answer({"error": "unauthorized_client"}, 400), "unauthorized_client"),
    "unknown grant": (answer({"error": "unsupported_grant_type"}, 400), "unsupported_grant_type"),
    "invalid request": (answer({"error": "invalid_request"}, 400), "invalid_request"),
    "an error with status 200": (answer({"error": "device_flow_disabled"}), "device_flow_disabled"),
    "no such endpoint": (answer(b"<html>", 404), "status 404"),
    "no such method": (answer(b"", 405), "status 405"),
    "forbidden": (answer(b"", 403), "status 403"),
    "not implemented": (answer(b"", 501), "status 501"),
}


@pytest.mark.parametrize(("response", "reason"), NOT_OFFERED.values(), ids=NOT_OFFERED)
def test_a_server_that_does_not_do_this_leaves_room_for_another_flow(response, reason):
    with pytest.raises(FlowUnavailable, match=f"does not offer .*: {reason}$"):
        judged(response)


REFUSED = {
    "unknown client": answer({"error": "invalid_client"}, 400),
    "unknown client, forbidden": answer({"error": "invalid_client"}, 403),
    "bad scope": answer({"error": "invalid_scope"}, 400),
    "unknown client, with status 200": answer({"error": "invalid_client"}),
    "no JSON": answer(b"hello"),
    "redirect": answer(b"", 302),
}


@pytest.mark.parametrize("response", REFUSED.values(), ids=REFUSED)
def test_any_other_refusal_is_final(response):
    with pytest.raises(Refused, match="^device sign-in cannot start: "):
        judged(response)


@pytest.mark.parametrize(
    "response",
    [answer({"error": "rate_limit_exceeded"}, 429), answer(b"", 500), answer(b"<html>")],
    ids=["429", "500", "HTML"],
)
def test_a_server_that_cannot_be_asked_now_is_not_a_refusal(response):
    with pytest.raises(Unreachable):
        judged(response)


CHECK = "check CLIENT_ID, CLIENT_SECRET if the client has one, and AUTHGATE_URL"


@pytest.mark.parametrize(("code", "hint"), [("invalid_client", CHECK), ("invalid_scope", None)])
def test_an_unknown_client_is_told_what_to_check(code, hint):
    with pytest.raises(Refused) as caught:
        judged(answer({"error": code}, 400))
    assert caught.value.hint == hint


# RFC 7636, appendix B
VERIFIER, CHALLENGE = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_the_request_has_a_challenge():
    assert authorization_fields("openid", VERIFIER) == {
        "scope": "openid",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }


def test_a_poll_sends_the_device_code_and_the_verifier():
    assert authorization().poll_fields() == {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": "secret-device-code",
        "code_verifier": "the-verifier",
    }


# -- what is too long, and doubled slashes


@pytest.mark.parametrize("code", ["B" * 61, "李" * 31, "B-" * 400_000], ids=["61", "31 wide ones", "800 kB"])
def test_a_user_code_that_nobody_could_type_is_refused(code):
    with pytest.raises(Refused, match="user_code is too long") as caught:
        authorization(user_code=code)
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("name", ["verification_uri", "verification_uri_complete"])
def test_an_address_that_fills_the_screen_is_refused(name):
    address = "https://auth.example.com/" + "a" * 2000
    with pytest.raises(Refused, match="more than 2000 characters"):
        authorization(**{name: address})
    assert authorization(**{name: address[:2000]})


DOUBLED = {
    "of an AuthGate": ("https://auth.example.com//device", "https://auth.example.com/device"),
    "with a query": (
        "https://auth.example.com//device?user_code=A//B",
        "https://auth.example.com/device?user_code=A//B",
    ),
    "below a path": ("https://auth.example.com/a//device", "https://auth.example.com/a/device"),
    "another port": ("https://auth.example.com:8443//device", "https://auth.example.com:8443/device"),
    "another host": ("https://login.example.com//device", "https://login.example.com//device"),
    "as it should be": ("https://auth.example.com/device/", "https://auth.example.com/device/"),
}


@pytest.mark.parametrize(("said", "shown"), DOUBLED.values(), ids=DOUBLED)
def test_a_doubled_slash_at_the_issuers_host_is_left_out(said, shown):
    found = authorization(verification_uri=said, verification_uri_complete=said)
    assert (found.verification_uri, found.complete_uri) == (shown, shown)


# -- what an answer to a poll means

STILL_OPEN = {
    "pending": (answer({"error": "authorization_pending"}, 400), Pending()),
    "pending, of another status": (answer({"error": "authorization_pending"}, 428), Pending()),
    "pending, with status 200": (answer({"error": "authorization_pending"}), Pending()),
    "slow down": (answer({"error": "slow_down"}, 400), Pending(True)),
    "slow down, with an interval": (answer({"error": "slow_down", "interval": 30}, 400), Pending(True, 30)),
    "slow down, with nonsense": (answer({"error": "slow_down", "interval": "x"}, 429), Pending(True)),
    "slow down, with a wait": (answer({"error": "slow_down"}, 429, retry_after="12"), Pending(True, retry_after=12)),
    "rate limit": (answer({"error": "rate_limit_exceeded"}, 429), TryLater("rate limit")),
    "rate limit that calls itself a denial": (answer({"error": "access_denied"}, 429), TryLater("rate limit")),
    "server error that calls itself a denial": (answer({"error": "access_denied"}, 503), TryLater("status 503")),
    "server error that calls itself an end": (answer({"error": "expired_token"}, 500), TryLater("status 500")),
    "rate limit with a wait": (answer(b"", 429, retry_after="40"), TryLater("rate limit", 40)),
    "rate limit with a date": (
        answer(b"", 429, retry_after="Fri, 15 Jan 2027 08:02:00 GMT"),
        TryLater("rate limit", 120),
    ),
    "server error": (answer({"error": "server_error"}, 500), TryLater("status 500")),
    "maintenance": (answer(b"<html>", 503, retry_after="9"), TryLater("status 503", 9)),
    "empty refusal": (answer(b"", 400), TryLater("status 400")),
    "page": (answer(b"<html>"), TryLater("status 200")),
    "page of a proxy": (answer(b"<html>", 403), TryLater("status 403")),
    "no JSON": (answer(b"hello"), TryLater("status 200")),
    "empty": (answer(b""), TryLater("status 200")),
    "redirect": (answer(b"", 302), TryLater("status 302")),
}


@pytest.mark.parametrize(("response", "verdict"), STILL_OPEN.values(), ids=STILL_OPEN)
def test_these_answers_leave_things_open(response, verdict):
    judged = interpret_poll(response, NOW)
    assert (type(judged), judged) == (type(verdict), verdict)


@pytest.mark.parametrize("document", [{"access_token": "a", "token_type": "Bearer"}, {}], ids=["tokens", "no tokens"])
def test_data_with_status_200_ends_the_polling(document):
    assert interpret_poll(answer(document), NOW) is None


FINAL = {
    "denied": ("access_denied", Denied),
    "expired": ("expired_token", SignInNeeded),
    "unknown client": ("invalid_client", Refused),
    "used grant": ("invalid_grant", Refused),
    "private code": ("device_not_found", Refused),
}


@pytest.mark.parametrize(("code", "kind"), FINAL.values(), ids=FINAL)
def test_these_answers_end_the_sign_in(code, kind):
    with pytest.raises(kind):
        interpret_poll(answer({"error": code}, 400), NOW)


def test_a_code_that_nobody_approved_in_time_asks_for_a_new_sign_in():
    assert type(code_expired()) is SignInNeeded


# -- when to ask again


def poller(interval=5.0, now=1000.0, lifetime=600.0):
    return new_poller(authorization(interval=interval, expires_in=lifetime), now)


def pauses(start, *verdicts):
    """Return the seconds from each verdict to the next question."""
    waits = []
    for verdict in verdicts:
        now = start.due
        start = start.advance(verdict, now)
        waits.append(pytest.approx(start.due - now))
    return waits


def test_the_first_question_comes_after_one_interval():
    assert poller(interval=5).due == 1005 + MARGIN


def test_the_margin_is_there_and_small():
    assert 0 < MARGIN < 1


SCHEDULES = {
    "pending": ([Pending()] * 3, [5.1, 5.1, 5.1]),
    "slow down adds 5 for good": ([Pending(True), Pending(), Pending(True), Pending()], [10.1, 10.1, 15.1, 15.1]),
    "a larger interval is taken": ([Pending(True, 30), Pending(), Pending(True)], [30.1, 30.1, 35.1]),
    "a smaller interval is not": ([Pending(True, 1)], [10.1]),
    "failures back off, to a minute": ([TryLater("")] * 6, [10, 20, 40, 60, 60, 60]),
    "back-off ends with an answer": ([TryLater(""), TryLater(""), Pending(), TryLater("")], [10, 20, 5.1, 10]),
    "Retry-After is honoured": ([TryLater("", 90), TryLater("", 7), TryLater("")], [90.1, 7.1, 40]),
    "Retry-After counts beside an answer too": ([Pending(True, retry_after=30), Pending()], [30.1, 10.1]),
    "Retry-After does not shorten the interval": ([TryLater("", 1), TryLater("", 1)], [5.1, 5.1]),
    "back-off leaves the interval as it is": ([Pending(True), TryLater(""), Pending()], [10.1, 20, 10.1]),
}


@pytest.mark.parametrize(("verdicts", "seconds"), SCHEDULES.values(), ids=SCHEDULES)
def test_the_next_question_is_due_as_the_answers_say(verdicts, seconds):
    assert pauses(poller(interval=5), *verdicts) == seconds


@pytest.mark.parametrize("interval", [0, 0.001, 1])
def test_there_is_at_least_a_second_between_polls_whatever_the_server_says(interval):
    start = poller(interval=interval)
    assert start.due == 1001 + MARGIN
    assert pauses(start, Pending(), Pending(), TryLater("", 0), Pending()) == [1.1, 1.1, 1.1, 1.1]
    assert pauses(start, Pending(True, 0), Pending()) == [6.1, 6.1]


def test_an_interval_of_0_backs_off_all_the_same():
    assert pauses(poller(interval=0), TryLater(""), TryLater("")) == [2, 4]


def test_a_failure_lowers_the_rate_of_a_long_interval_too():
    assert pauses(poller(interval=90), Pending(), TryLater("")) == [90.1, 180]


def test_failures_may_go_on_for_as_long_as_a_code_can_live():
    assert pauses(poller(), *[TryLater("")] * 2000)[-1] == 60


@pytest.mark.parametrize(("now", "over"), [(1000, False), (1599.9, False), (1600, True), (90_000, True)])
def test_the_code_runs_out_by_the_monotonic_clock(now, over):
    assert (now >= poller(now=1000.0, lifetime=600).deadline) is over


def test_no_answer_makes_the_code_live_longer():
    start = poller()
    after = start.advance(Pending(True, 60), 1001).advance(TryLater("", 3600), 1002)
    assert after.deadline == start.deadline


def test_advancing_gives_a_new_poller():
    start = poller()
    before = Poller(*start)
    start.advance(Pending(True), 1001)
    assert start == before
