"""Signing in with a browser, with neighbours on the same machine."""

import http.client
import json
import secrets
import socket
import threading
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from callback_address import callback_address
from ports import free_port
from robot import Robot

from authgate_cli import system

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture
def browser(authgate, callback):
    """Sign in by browser; `visit(url)` is what happens when the address is opened."""
    return lambda *argv, **how: authgate("login", "--redirect-uri", callback, "--json", *argv, **how)


def get(address: str, **headers) -> tuple[int, str, http.client.HTTPMessage]:
    try:
        with OPENER.open(urllib.request.Request(address, headers=headers), timeout=20) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


def with_field(address: str, **fields) -> str:
    parts = urllib.parse.urlsplit(address)
    query = {**dict(urllib.parse.parse_qsl(parts.query)), **fields}
    query = {name: value for name, value in query.items() if value is not None}
    return parts._replace(query=urllib.parse.urlencode(query)).geturl()


def test_browser_sign_in(browser, server, robot):
    person = robot()

    result = browser(browser=person)

    told = json.loads(result.out)
    assert told["source"] == "browser"
    assert told["user"]["name"] == "Jane Doe"
    assert person.finish().title == "You are signed in"


def test_address_is_printed_before_it_is_opened(browser, robot):
    printed = []
    person = robot(visit=lambda url: seen_first.append(url in "".join(printed)) or Robot({}).visit(url))
    seen_first = []

    browser(browser=person, watch=printed.append)

    assert seen_first == [True]


def test_request_carries_pkce_state_and_no_nonce_without_openid(browser, server, robot):
    browser(browser=robot())

    query = next(seen.query for seen in server.requests if seen.path == "/oauth/authorize")
    form = next(seen.form for seen in server.requests if seen.path == "/oauth/token")
    assert query["code_challenge_method"] == "S256"
    assert len(query["code_challenge"]) == len(query["state"]) == len(form["code_verifier"]) == 43
    assert "nonce" not in query
    assert "prompt" not in query


def test_random_bytes_are_those_of_the_system(browser, robot):
    taken = []

    def random_bytes(count):
        taken.append(count)
        return secrets.token_bytes(count)

    assert browser(browser=robot(), random_bytes=random_bytes).status == 0
    assert taken == [32, 32]  # for state and verifier, and for nothing else
    assert "return secrets.token_bytes(count)" in Path(system.__file__).read_text()


def test_every_attempt_has_secrets_of_its_own(browser, server, robot):
    for _ in range(2):
        assert browser("--force", "--scope", "openid", browser=robot()).status == 0

    queries = [seen.query for seen in server.requests if seen.path == "/oauth/authorize" and seen.method == "GET"]
    verifiers = [seen.form["code_verifier"] for seen in server.requests if "code_verifier" in seen.form]
    for name in ("state", "nonce", "code_challenge"):
        assert len({query[name] for query in queries}) == 2
    assert len(set(verifiers)) == len(verifiers) == 2


@pytest.mark.parametrize("methods", [["plain"], [], None], ids=["plain alone", "none", "not said"])
def test_there_is_no_way_back_to_plain_pkce(browser, server, robot, methods):
    offered = {"code_challenge_methods_supported": methods}
    server.misbehave("/.well-known/openid-configuration", edit=lambda told: {**told, **offered})
    server.misbehave("/oauth/token", status=400, body={"error": "invalid_grant", "error_description": "plain only"})

    browser("--flow", "browser", browser=robot(visit=lambda url: get(callback_address(url))))

    asked = [seen.query for seen in server.requests if seen.path == "/oauth/authorize" and seen.method == "GET"]
    assert {query["code_challenge_method"] for query in asked} == {"S256"}
    assert server.count("POST", "/oauth/token") == 1


def test_openid_brings_a_nonce_and_an_id_token(browser, server, robot):
    result = browser("--scope", "openid profile", browser=robot())

    query = next(seen.query for seen in server.requests if seen.path == "/oauth/authorize")
    assert len(query["nonce"]) == 43
    assert json.loads(result.out)["token"]["id_token"].endswith("...")


@pytest.mark.parametrize("signing", ["HS256", "RS256", "ES256"])
def test_id_tokens_are_checked_whatever_signs_them(browser, server, robot, signing):
    server.signing = signing

    assert browser("--scope", "openid", browser=robot()).status == 0


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda claims: {**claims, "iss": "https://evil.example"}, "evil.example"),
        (lambda claims: {**claims, "aud": "another"}, "(aud)"),
        (lambda claims: {**claims, "nonce": "another"}, "(nonce)"),
        (lambda claims: {**claims, "exp": 1}, "(exp)"),
        (lambda claims: {**claims, "at_hash": "another"}, "(at_hash)"),
    ],
    ids=["iss", "aud", "nonce", "exp", "at_hash"],
)
def test_id_token_that_is_wrong_is_refused_and_nothing_kept(browser, server, robot, token_file, edit, words):
    from authgate_cli.oauth.parsing import decode

    def forge(answer):
        return {**answer, "id_token": server.sign(edit(decode(answer["id_token"]).claims))}

    server.misbehave("/oauth/token", edit=forge)

    result = browser("--scope", "openid profile", browser=robot(visit=lambda url: get(callback_address(url))))

    assert (result.status, result.out) == (1, "")
    assert words in result.err
    assert not token_file.exists()


def test_forged_signature_is_refused(browser, server, robot):
    server.signing = "RS256"

    def forge(answer):
        head, claims, _ = answer["id_token"].split(".")
        return {**answer, "id_token": f"{head}.{claims}.{'A' * 342}"}

    server.misbehave("/oauth/token", edit=forge)

    result = browser("--scope", "openid", browser=robot(visit=lambda url: get(callback_address(url))))

    assert result.status == 1
    assert "signature" in result.err


def test_keys_that_cannot_be_fetched_are_found_out_before_anybody_is_asked(authgate, server):
    server.signing = "RS256"
    server.misbehave("/.well-known/jwks.json", times=None, status=503)

    result = authgate("--flow", "browser", "--scope", "openid")

    assert result.status == 3
    assert server.count("GET", "/oauth/authorize") == 0


def test_denial_is_final_and_the_page_says_so(browser, server, robot):
    person = robot(deny=True)

    result = browser(browser=person)

    assert (result.status, result.out) == (4, "")
    assert "denied" in result.err
    assert person.finish().title == "Sign-in denied"
    assert server.count("POST", "/oauth/device/code") == 0


def test_success_is_shown_only_when_the_tokens_are_in_hand(browser, server, robot):
    server.misbehave("/oauth/token", status=400, body={"error": "invalid_grant"})
    person = robot(visit=lambda url: get(callback_address(url)))

    result = browser(browser=person)

    status, page, _ = person.finish()
    assert (result.status, status) == (1, 400)
    assert "Sign-in failed" in page


def test_page_keeps_the_code_to_itself(browser, robot):
    person = robot(visit=lambda url: get(callback_address(url)))

    browser(browser=person)

    _, page, headers = person.finish()
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "history.replaceState" in page
    assert "http" not in page.replace("http-equiv", "")


def test_error_text_of_the_server_is_not_shown_unescaped(browser, server, robot):
    def visit(url):
        address = with_field(callback_address(url), code=None, error="<script>", error_description="<b>\x1b[31mred")
        return get(address)

    person = robot(visit=visit)

    result = browser(browser=person)

    assert result.status == 1
    assert "<script>alert" not in person.finish()[1]
    assert "\x1b" not in result.err


@pytest.mark.parametrize(
    "disturb",
    [
        lambda address: with_field(address, state="wrong"),
        lambda address: with_field(address, state=None),
        lambda address: with_field(address, state="wrong", error="access_denied", code=None),
        lambda address: with_field(address, code=None),
        lambda address: address + "&state=twice",
        lambda address: address.replace("/callback", "/favicon.ico"),
        lambda address: address.replace("/callback", "/callback/"),
    ],
    ids=["wrong state", "no state", "error with wrong state", "no code", "state twice", "favicon", "other path"],
)
def test_what_is_not_the_callback_is_answered_and_the_waiting_goes_on(browser, server, robot, disturb):
    def visit(url):
        address = callback_address(url)
        return get(disturb(address))[0], get(address)[0]

    person = robot(visit=visit)

    result = browser(browser=person)

    disturbed, real = person.finish()
    assert (disturbed in (400, 404), real, result.status) == (True, 200, 0)
    assert server.count("POST", "/oauth/token") == 1


def test_foreign_host_header_is_turned_away(browser, robot):
    def visit(url):
        address = callback_address(url)
        return get(address, Host="evil.example")[0], get(address)[0]

    person = robot(visit=visit)

    assert browser(browser=person).status == 0
    assert person.finish() == (421, 200)


def test_neighbours_who_say_nothing_do_not_keep_the_person_out(browser, robot, callback):
    port = urllib.parse.urlsplit(callback).port
    silent = []

    def visit(url):
        silent.extend(socket.create_connection(("127.0.0.1", port)) for _ in range(100))
        for connection in silent[:20]:
            connection.sendall(b"GET /callback?state=" + b"x" * 1000)
        return Robot({}).visit(url)

    result = browser(browser=robot(visit=visit))

    for connection in silent:
        connection.close()
    assert result.status == 0


def test_second_delivery_of_the_code_is_not_redeemed(browser, server, robot):
    seconds = []

    def visit(url):
        address = callback_address(url)
        server.misbehave("/oauth/token", delay=0.5)
        second = threading.Thread(target=lambda: seconds.append(attempt(address)))
        first = threading.Thread(target=lambda: get(address))
        first.start()
        second.start()
        first.join()
        second.join()

    def attempt(address):
        try:
            return get(address)[0]
        except OSError:
            return "refused"

    result = browser(browser=robot(visit=visit))

    assert result.status == 0
    assert server.count("POST", "/oauth/token") == 1


def test_nothing_listens_afterwards(browser, robot, callback):
    browser(browser=robot())

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", urllib.parse.urlsplit(callback).port))


@pytest.mark.parametrize(
    ("advertised", "iss", "redeemed"),
    [
        (True, None, True),
        (True, "https://evil.example", False),
        (False, "https://evil.example", False),
        (True, "", False),
    ],
    ids=["right", "wrong", "wrong and not announced", "announced and absent"],
)
def test_issuer_on_the_callback_decides_whether_the_code_is_redeemed(browser, server, robot, advertised, iss, redeemed):
    server.send_iss = advertised

    def visit(url):
        address = callback_address(url)
        if iss is not None:
            address = with_field(address, iss=iss or None)
        return get(address)

    result = browser(browser=robot(visit=visit))

    assert (result.status == 0) is redeemed
    assert server.count("POST", "/oauth/token") == int(redeemed)


def test_error_without_its_issuer_is_told_and_not_believed(browser, server, robot):
    """No denial, which would be final; what it says may be all there is to go by."""
    server.send_iss = True

    def visit(url):
        wrong = {"error": "invalid_scope", "error_description": "no such scope", "code": None, "iss": None}
        return get(with_field(callback_address(url), **wrong))

    result = browser(browser=robot(visit=visit))

    assert result.status == 1
    assert "the answer has no iss parameter" in result.err
    assert result.err.splitlines()[-2].endswith("; it says invalid_scope (no such scope)")


def test_port_that_is_taken_leads_to_the_device_code(browser, server, callback):
    with socket.create_server(("127.0.0.1", urllib.parse.urlsplit(callback).port)):
        result = browser(browser=forbidden)

    assert json.loads(result.out)["source"] == "device"
    assert "continuing with a device code" in result.err


def test_port_that_is_taken_is_an_error_when_the_browser_was_asked_for(browser, callback):
    with socket.create_server(("127.0.0.1", urllib.parse.urlsplit(callback).port)):
        result = browser("--flow", "browser", browser=forbidden)

    assert (result.status, result.out) == (3, "")


def forbidden(url):
    raise AssertionError("no browser may be opened here")


def test_first_callback_whose_port_is_free_is_taken(authgate, server, robot, callback):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        first = f"http://127.0.0.1:{taken.getsockname()[1]}/callback"
        server.register(redirect_uris=[first])
        result = authgate("login", "--redirect-uri", f"{first}, {callback}", "--json", browser=robot())

    assert json.loads(result.out)["source"] == "browser"


def test_localhost_callback_works_as_given(authgate, server, robot):
    uri = f"http://localhost:{free_port()}/callback"
    server.register(redirect_uris=[uri])

    result = authgate("login", "--redirect-uri", uri, "--json", browser=robot())

    assert json.loads(result.out)["source"] == "browser"


def test_nobody_coming_back_leads_to_the_device_code(browser):
    class Patient:
        def failed(self):
            return False

    class Clock:
        time = 0.0

        def monotonic(self):
            Clock.time += 30
            return Clock.time

    result = browser(browser=lambda url: Patient(), monotonic=Clock().monotonic, sleep=lambda seconds: None)

    assert json.loads(result.out)["source"] == "device"
    assert "The sign-in in the browser was not completed in time" in result.err


def error_page(error, description=""):
    """Return a browser that comes back with this error."""
    return lambda url: get(with_field(callback_address(url), code=None, error=error, error_description=description))


def test_a_client_that_may_not_use_a_browser_is_given_a_device_code(browser, server, robot):
    person = robot(visit=error_page("unauthorized_client"))

    result = browser(browser=person)

    assert json.loads(result.out)["source"] == "device"
    assert "The server does not offer browser sign-in to this client" in result.err
    assert "continuing with a device code" in result.err
    assert "Sign-in failed" in person.finish()[1]


def test_a_browser_that_was_asked_for_by_name_is_not_replaced(browser, server, robot):
    result = browser("--flow", "browser", browser=robot(visit=error_page("unauthorized_client", "no code flow")))

    assert result.status == 1
    assert "unauthorized_client (no code flow)" in result.err
    assert "--flow device" in result.err.splitlines()[-1]
    assert server.count("POST", "/oauth/device/code") == 0


def test_where_both_flows_are_refused_nothing_goes_round_in_a_circle(authgate, server, robot, callback):
    server.misbehave("/oauth/device/code", times=None, status=400, body={"error": "unauthorized_client"})
    person = robot(visit=error_page("unauthorized_client"))

    result = authgate("login", "--redirect-uri", callback, browser=person)

    assert result.status == 1
    assert len(person.addresses) == server.count("POST", "/oauth/device/code") == 1


@pytest.mark.parametrize(
    ("error", "description", "status", "remedy"),
    [
        ("invalid_scope", "no such scope", 1, "--scope 'openid profile email'"),
        ("invalid_request", "invalid redirect_uri", 1, "register exactly {callback}"),
        ("invalid_request", "", 1, "check CLIENT_ID"),
        ("unsupported_response_type", "", 1, "--flow device"),
        ("login_required", "", 1, "login again"),
        ("their_own_code", "", 1, "--flow device"),
        ("server_error", "", 3, "later"),
        ("temporarily_unavailable", "", 3, "later"),
        ("access_denied", "", 4, "login"),
    ],
)
def test_every_error_on_the_callback_has_its_hint(browser, robot, callback, error, description, status, remedy):
    result = browser(browser=robot(visit=error_page(error, description)))

    *_, message, hint = result.err.splitlines()
    assert result.status == status
    assert message.startswith("authgate: error: ")
    assert hint.startswith("authgate: hint: ")
    assert remedy.format(callback=callback) in hint


def test_page_names_the_program_and_the_server(browser, server, robot):
    person = robot(visit=lambda url: get(callback_address(url)))

    browser(browser=person)

    assert f"authgate, signing in to {server.issuer.partition('://')[2]}<" in person.finish()[1]


def test_without_browser_the_address_is_printed_and_nothing_opened(browser, robot):
    person = robot()

    def read(text):
        if "/oauth/authorize?" in text:
            person(text.strip())

    result = browser("--no-browser", browser=forbidden, watch=read)

    assert json.loads(result.out)["source"] == "browser"
    assert "To sign in, open this address in a browser:" in result.err


def test_waiting_is_counted_down(browser):
    class Patient:
        def failed(self):
            return False

    times = iter(range(0, 100_000, 40))

    result = browser(browser=lambda url: Patient(), monotonic=lambda: next(times), sleep=lambda seconds: None)

    left = [line for line in result.err.splitlines() if line.startswith("Waiting for the browser, ")]
    assert len(left) > 1
    assert left == sorted(left, reverse=True)
    assert all(line.endswith(" left") for line in left)


def test_a_browser_that_insists_on_https_is_told_once(browser, robot, callback):
    place = urllib.parse.urlsplit(callback)

    def visit(url):
        for _ in range(3):
            with socket.create_connection((place.hostname, place.port)) as one:
                one.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500))
                assert one.recv(1) == b""
        told.wait(20)
        return Robot({}).visit(url)

    told = threading.Event()
    person = robot(visit=visit)

    result = browser(browser=person, watch=lambda text: told.set() if "uses https" in text else None)

    assert json.loads(result.out)["source"] == "browser"
    assert result.err.count("The browser uses https") == 1


# A rate limit says that the code has not been spent


class Clock:
    """A clock that sleeping moves."""

    def __init__(self):
        self.time, self.pauses = 0.0, []

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.time += seconds


LIMITED = {"status": 429, "body": {"error": "rate_limit_exceeded"}}


@pytest.mark.parametrize(
    ("headers", "times", "pauses"),
    [({}, 3, [2, 4, 8]), ({"Retry-After": "40"}, 2, [40, 40]), ({"Retry-After": "soon"}, 1, [2])],
    ids=["growing pauses", "Retry-After", "nonsense"],
)
def test_a_code_is_tried_again_after_a_rate_limit(browser, server, robot, headers, times, pauses):
    server.misbehave("/oauth/token", times=times, headers=headers, **LIMITED)
    clock, person = Clock(), robot()

    result = browser(browser=person, monotonic=lambda: clock.time, sleep=clock.sleep)

    assert json.loads(result.out)["source"] == "browser"
    assert clock.pauses == pauses
    assert result.err.count("(rate limited by the server); trying again in ") == times
    assert person.finish().title == "You are signed in"
    assert len({seen.form["code"] for seen in server.requests if "code" in seen.form}) == 1


@pytest.mark.parametrize("retry_after", [None, "91"], ids=["growing pauses", "longer than we wait"])
def test_a_rate_limit_that_lasts_is_exit_3(browser, server, robot, retry_after):
    headers = {"Retry-After": retry_after} if retry_after else {}
    server.misbehave("/oauth/token", times=None, headers=headers, **LIMITED)
    clock = Clock()

    visit = robot(visit=lambda url: get(callback_address(url)))
    result = browser(browser=visit, monotonic=lambda: clock.time, sleep=clock.sleep)

    assert result.status == 3
    assert "rate limit" in result.err.splitlines()[-2]
    assert (clock.time == 0) if retry_after else (60 <= clock.time <= 90)
    assert visit.finish()[0] == 400


def test_ctrl_c_between_two_tries_of_a_code_ends_the_sign_in(browser, server, robot):
    server.misbehave("/oauth/token", times=None, **LIMITED)

    def interrupt(seconds):
        raise KeyboardInterrupt

    result = browser(browser=robot(visit=lambda url: get(callback_address(url))), sleep=interrupt)

    assert result.status == 130
    assert server.count("POST", "/oauth/token") == 1


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 503}, {"drop": "after"}], ids=str)
def test_any_other_failure_may_have_spent_the_code(browser, server, robot, fault):
    server.misbehave("/oauth/token", **fault)

    result = browser(browser=robot(visit=lambda url: get(callback_address(url))))

    assert result.status == 3
    assert server.count("POST", "/oauth/token") == 1


def test_a_rate_limit_on_the_keys_is_no_reason_to_spend_the_code_again(browser, server, robot):
    """The key of an ID token is looked for once more when it is not among those that were fetched before."""
    server.signing = "RS256"
    server.misbehave("/.well-known/jwks.json", edit=lambda told: {"keys": []})
    server.misbehave("/.well-known/jwks.json", times=None, **LIMITED)

    result = browser("--scope", "openid", browser=robot(visit=lambda url: get(callback_address(url))))

    assert result.status == 3
    assert server.count("POST", "/oauth/token") == 1


def test_ssh_session_is_shown_the_line_to_forward_the_port(authgate, server, robot, callback):
    from authgate_cli.system.browser import Environment

    here = Environment("linux", ssh=True, terminal=True, ssh_login="jane@192.0.2.7")
    port = urllib.parse.urlsplit(callback).port

    result = authgate("--flow", "browser", "--redirect-uri", callback, here=here, browser=robot())

    assert f"ssh -L {port}:127.0.0.1:{port} jane@192.0.2.7" in result.err


def test_two_deliveries_that_arrive_together_are_both_answered(browser, server, robot, callback):
    """One is redeemed and the other told so: none is left hanging."""
    place = urllib.parse.urlsplit(callback)

    def visit(url):
        target = callback_address(url).partition(place.netloc)[2]
        request = f"GET {target} HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode()
        connections = [socket.create_connection((place.hostname, place.port)) for _ in range(2)]
        for connection in connections:
            connection.sendall(request)
        answers = [read_to_end(connection) for connection in connections]
        return sorted(answer.split()[1] for answer in answers)

    person = robot(visit=visit)

    assert browser(browser=person).status == 0
    assert person.finish() == [b"200", b"400"]
    assert server.count("POST", "/oauth/token") == 1


def read_to_end(connection) -> bytes:
    with connection:
        return b"".join(iter(lambda: connection.recv(4096), b""))
