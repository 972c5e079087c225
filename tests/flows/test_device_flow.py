"""Signing in with a device code, whatever the server and the network do meanwhile."""

import json
import re
import time

import pytest


class Clock:
    """A monotonic clock that only sleeping moves."""

    def __init__(self):
        self.time, self.pauses = 1000.0, []

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.time += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def device(authgate, clock):
    """Sign in by device code with a clock that runs as fast as it is asked to."""
    system = {"sleep": clock.sleep, "monotonic": clock.now}
    return lambda *argv, **how: authgate("login", "--flow", "device", "--json", *argv, **{**system, **how})


def test_address_and_code_are_shown_and_the_device_code_never(device, server):
    result = device("--verbose")

    form = next(seen.form for seen in server.requests if seen.form.get("device_code"))
    shown = result.out + result.err
    assert f"{server.issuer}/device\n" in result.err
    assert "?user_code=" in result.err
    assert form["device_code"] not in shown


def test_user_code_is_shown_beside_the_complete_address(device, server):
    result = device()

    address = re.search(r"open directly +(\S+)", result.err)[1]
    code = re.search(r"enter the code +(\S+)", result.err)[1]
    assert address.endswith(f"?user_code={code}")
    assert re.fullmatch("[A-Z]{4}-[A-Z]{4}", code)


def test_first_question_comes_after_one_interval(device, server, clock):
    server.device_interval = 7

    device()

    assert sum(clock.pauses) == pytest.approx(7, abs=0.2)


def test_interval_is_five_seconds_when_the_server_names_none(device, server, clock):
    server.device_interval = None

    device()

    assert sum(clock.pauses) == pytest.approx(5, abs=0.2)


def pending(**more):
    return {"status": 400, "body": {"error": "authorization_pending", **more}}


def test_slow_down_adds_five_seconds_for_good(device, server, clock):
    server.device_interval = 1
    server.misbehave("/oauth/token", status=400, body={"error": "slow_down"})
    server.misbehave("/oauth/token", **pending())

    assert device().status == 0
    assert sum(clock.pauses) == pytest.approx(1 + 6 + 6, abs=0.5)


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 429, "body": {"error": "rate_limit_exceeded"}},
        {"status": 429, "body": b"<html>Too many requests</html>"},
        {"status": 500},
        {"status": 502, "body": b"<html>Bad Gateway</html>"},
        {"status": 200, "body": b"<html>Sign in to the Wi-Fi</html>"},
        {"status": 400, "body": b""},
        {"drop": "before"},
    ],
    ids=str,
)
def test_what_passes_is_waited_out(device, server, fault):
    server.misbehave("/oauth/token", times=3, **fault)

    result = device()

    assert json.loads(result.out)["source"] == "device"


def test_failures_are_followed_by_longer_and_longer_pauses(device, server, clock):
    server.device_interval = 1
    server.misbehave("/oauth/token", times=3, status=503)

    device()

    assert sum(clock.pauses) == pytest.approx(1 + 2 + 4 + 8, abs=0.5)


def test_retry_after_is_honoured(device, server, clock):
    server.misbehave("/oauth/token", status=429, headers={"Retry-After": "40"})

    device()

    assert sum(clock.pauses) == pytest.approx(1 + 40, abs=0.5)


def test_denial_is_final(device, server, token_file):
    server.misbehave("/oauth/token", status=400, body={"error": "access_denied"})

    result = device()

    assert (result.status, result.out) == (4, "")
    assert "denied" in result.err
    assert server.count("POST", "/oauth/token") == 1
    assert not token_file.exists()


def test_expired_code_is_exit_4(device, server):
    server.misbehave("/oauth/token", status=400, body={"error": "expired_token"})

    result = device()

    assert (result.status, result.out) == (4, "")
    assert "expired" in result.err


def test_code_that_nobody_approves_runs_out_by_our_own_clock(device, server, clock):
    server.device_ttl, server.device_interval = 60, 5
    server.misbehave("/oauth/token", times=None, **pending())

    result = device()

    assert result.status == 4
    assert sum(clock.pauses) == pytest.approx(60, abs=1)


@pytest.mark.parametrize("step", [-86400, 86400], ids=["back", "forward"])
def test_a_wall_clock_that_is_set_meanwhile_does_no_harm(device, server, clock, step):
    server.device_ttl, server.device_interval = 60, 5
    server.misbehave("/oauth/token", times=3, **pending())
    wall = [time.time()]

    def now():
        wall[0] += step
        return wall[0]

    result = device(now=now)

    assert server.count("POST", "/oauth/token") == 4
    assert sum(clock.pauses) == pytest.approx(20, abs=1)
    assert "expired" not in result.err


def test_a_laptop_that_was_asleep_asks_once_more_or_says_that_the_code_expired(device, server, clock):
    server.device_ttl, server.device_interval = 600, 5
    server.misbehave("/oauth/token", times=1, **pending())
    naps = [400.0]

    def sleep(seconds):
        clock.sleep(seconds + (naps.pop() if naps else 0))

    assert device(sleep=sleep).status == 0
    naps.append(700.0)
    late = device("--force", sleep=sleep)

    assert (late.status, late.out) == (4, "")
    assert "the code expired before the sign-in was approved" in late.err


def test_quiet_lines_say_how_long_the_code_is_good(device, server):
    server.device_ttl, server.device_interval = 100, 5
    server.misbehave("/oauth/token", times=None, **pending())

    assert device().err.count("Waiting for approval, ") == 3


@pytest.mark.parametrize(
    ("error", "status"), [("invalid_client", 1), ("invalid_request", 1), ("server_error_of_ours", 1)]
)
def test_refusal_while_polling_stops_at_once(device, server, error, status):
    server.misbehave("/oauth/token", times=None, status=401, body={"error": error})

    result = device()

    assert result.status == status
    assert error in result.err
    assert server.count("POST", "/oauth/token") == 1


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ({"status": 400, "body": {"error": "invalid_client"}}, 1),
        ({"status": 400, "body": {"error": "unauthorized_client"}}, 1),
        ({"status": 404}, 1),
        ({"status": 500}, 3),
        ({"status": 429}, 3),
        ({"status": 200, "body": {"device_code": "x"}}, 1),
        ({"edit": lambda told: {**told, "verification_uri": "javascript:alert(1)"}}, 1),
        ({"edit": lambda told: {**told, "device_code": 7}}, 1),
    ],
    ids=lambda value: str(value)[:60],
)
def test_device_code_that_is_not_given_is_an_error(device, server, fault, status):
    server.misbehave("/oauth/device/code", times=None, **fault)

    result = device()

    assert (result.status, result.out) == (status, "")
    assert result.err.startswith("authgate: error: ")


@pytest.mark.parametrize("path", ["/oauth/device/code", "/oauth/token"], ids=["at once", "at the first poll"])
def test_wrong_credentials_are_no_reason_to_try_a_browser(authgate, server, path):
    """Keycloak says so to a secret that is wrong or missing."""
    wrong = {"error": "unauthorized_client", "error_description": "Invalid client or Invalid client credentials"}
    server.misbehave(path, times=None, status=401, body=wrong)

    result = authgate("login")

    assert (result.status, result.out) == (1, "")
    assert "Invalid client credentials" in result.err
    assert result.err.endswith("CLIENT_SECRET if the client has one, and AUTHGATE_URL\n")
    assert "browser" not in result.err


@pytest.mark.parametrize("path", ["/oauth/device/code", "/oauth/token"], ids=["at once", "at the first poll"])
def test_auto_goes_on_with_a_browser_without_opening_one(authgate, server, robot, callback, path):
    server.misbehave(path, status=400, body={"error": "unauthorized_client"})
    person = robot()

    def read(text):
        if "/oauth/authorize?" in text:
            person(text.strip())

    result = authgate("--redirect-uri", callback, "--json", watch=read)

    assert json.loads(result.out)["source"] == "browser"
    assert "continuing with a browser" in result.err


def test_a_flow_that_was_asked_for_by_name_is_not_replaced(authgate, server):
    server.register(grants={"authorization_code"})

    result = authgate("--flow", "device")

    assert result.status == 1
    assert "/oauth/authorize" not in result.err


@pytest.mark.parametrize("interval", [0, 0.01, False])
def test_polls_are_a_second_apart_whatever_the_server_says(device, server, clock, interval):
    server.device_interval = interval
    server.misbehave("/oauth/token", times=5, **pending())
    server.misbehave("/oauth/token", status=400, body={"error": "slow_down", "interval": 0})
    times = []
    server.misbehave("/oauth/device/code", when=lambda seen: times.append(clock.time))
    server.misbehave("/oauth/token", when=lambda seen: times.append(clock.time))

    assert device().status == 0
    assert all(later - earlier >= 1 for earlier, later in zip(times, times[1:]))


def test_device_flow_has_pkce(device, server):
    server.device_pkce = True

    assert device().status == 0
    asked, polled = (
        next(seen.form for seen in server.requests if seen.path == path)
        for path in ("/oauth/device/code", "/oauth/token")
    )
    assert asked["code_challenge_method"] == "S256"
    assert len(polled["code_verifier"]) == 43
    assert polled["code_verifier"] not in asked.values()


def test_every_device_sign_in_has_a_verifier_of_its_own(device, server):
    device()
    device("--force")

    verifiers = [seen.form["code_verifier"] for seen in server.requests if "code_verifier" in seen.form]
    assert len(set(verifiers)) == len(verifiers) == 2


def test_verifier_is_the_same_at_every_poll_and_never_shown(device, server):
    server.device_pkce = True
    server.misbehave("/oauth/token", times=2, **pending())

    result = device("--verbose")

    (verifier,) = {seen.form["code_verifier"] for seen in server.requests if "code_verifier" in seen.form}
    assert verifier not in result.out + result.err


def test_doubled_slash_of_a_device_address_is_left_out(device, server):
    def double(told):
        return {name: value.replace("/device", "//device") if "uri" in name else value for name, value in told.items()}

    server.misbehave("/oauth/device/code", edit=double)

    result = device()

    assert f"visit   {server.issuer}/device\n" in result.err
    assert f"directly    {server.issuer}/device?user_code=" in result.err
