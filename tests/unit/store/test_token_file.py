"""The token file is shared: each dialect is read, and rewritten so that its writer still reads it.

The files in data/token-files were written by AuthGate's other clients, with their tokens replaced.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from builders import CLIENT, NOW

from authgate_cli.store import token_file
from authgate_cli.tokens import TokenSet

SAMPLES = {path.stem: path.read_bytes() for path in (Path(__file__).parents[2] / "data" / "token-files").glob("*.json")}
KEY = "550e8400-e29b-41d4-a716-446655440000"
ACCESS, REFRESH = (f"eyJhbGciOiJIUzI1NiJ9.{name}-TOKEN-SANITIZED.sig" for name in ("ACCESS", "REFRESH"))
FRESH = TokenSet(
    "fresh-access",
    expires_at=NOW + 3600,
    refresh_token="fresh-refresh",
    scope="openid",
    issuer="https://auth.example.com",
    client_id=KEY,
    lifetime=3600,
)
dialects = pytest.mark.parametrize("dialect", sorted(SAMPLES))


def document(*, data=None, tokens=None):
    return {name: {KEY: entry} for name, entry in (("data", data), ("tokens", tokens)) if entry is not None}


def rewritten(before, token=FRESH):
    """Put a token in the place of an entry, and return the new entry as it stands in the file."""
    return token_file.put(document(data=before), KEY, token, NOW)["data"][KEY]


def fields_of(sample):
    """Return the map that holds the entry, and the entry's fields."""
    name = "tokens" if "tokens" in sample else "data"
    entry = sample[name][KEY]
    return name, json.loads(entry) if isinstance(entry, str) else entry


def test_there_is_a_sample_of_every_dialect():
    assert sorted(SAMPLES) == ["bash-cli", "go-sdk", "legacy-go-cli", "python-sdk"]


# -- reading

EXPIRES_AT = {
    "bash-cli": 1795510731,
    "python-sdk": 1795510737.0924492,
    "go-sdk": 1795511018.823604903,
    "legacy-go-cli": 1795511018.85087927,
}


@dialects
def test_every_dialect_is_read(dialect):
    token = token_file.get(token_file.parse(SAMPLES[dialect]), KEY)
    assert (token.access_token, token.refresh_token, token.client_id) == (ACCESS, REFRESH, KEY)


@dialects
def test_every_kind_of_expiry_is_read(dialect):
    assert token_file.get(token_file.parse(SAMPLES[dialect]), KEY).expires_at == EXPIRES_AT[dialect]


def test_an_entry_may_be_an_object_where_text_is_usual():
    assert token_file.get(document(data={"access_token": "a"}), KEY) == TokenSet("a")


def test_an_entry_of_the_old_map_may_be_text():
    assert token_file.get(document(tokens='{"access_token": "a"}'), KEY) == TokenSet("a")


def test_the_type_of_a_token_is_read():
    assert token_file.read_entry({"access_token": "a", "token_type": "bearer"}).token_type == "bearer"


def test_the_present_map_comes_before_the_old_one():
    both = document(data='{"access_token": "present"}', tokens={"access_token": "old"})
    assert token_file.get(both, KEY).access_token == "present"


def test_the_old_map_serves_where_the_present_one_has_nothing_usable():
    both = document(data="{}", tokens={"access_token": "old"})
    assert token_file.get(both, KEY).access_token == "old"


UNUSABLE = {
    "no JSON": "{",
    "no object": "[]",
    "null": None,
    "number": 5,
    "no access token": "{}",
    "empty access token": '{"access_token": ""}',
    "access token of another kind": '{"access_token": 5}',
    "access token with a line feed": '{"access_token": "a\\nb"}',
    "bottomless": "[" * 100_000,
}


@pytest.mark.parametrize("entry", UNUSABLE.values(), ids=UNUSABLE)
def test_an_entry_that_cannot_be_used_is_as_if_absent(entry):
    assert token_file.read_entry(entry) is None


UNKNOWN_EXPIRY = {
    "missing": None,
    "bash-cli": "",
    "Python SDK": 0.0,
    "Go": "0001-01-01T00:00:00Z",
    "negative": -1,
    "past the year 9999": 253402300800,
    "true": True,
    "words": "tomorrow",
    "list": [1],
}


@pytest.mark.parametrize("expires_at", UNKNOWN_EXPIRY.values(), ids=UNKNOWN_EXPIRY)
def test_an_unknown_expiry_is_read_as_none(expires_at):
    assert token_file.read_entry({"access_token": "a", "expires_at": expires_at}).expires_at is None


@pytest.mark.parametrize("name", ["refresh_token", "id_token", "scope", "issuer", "client_id"])
@pytest.mark.parametrize("value", ["", None, 5], ids=repr)
def test_a_field_that_says_nothing_is_none(name, value):
    assert getattr(token_file.read_entry({"access_token": "a", name: value}), name) is None


def test_a_map_that_go_wrote_as_null_is_empty():
    document = token_file.parse(b'{"data": null, "tokens": null}')
    written = token_file.put(document, CLIENT, TokenSet("a-token"), NOW)
    assert token_file.get(document, CLIENT) is None
    assert token_file.get(written, CLIENT).access_token == "a-token"
    assert token_file.get(token_file.remove(written, CLIENT, TokenSet("a-token")), CLIENT) is None


@pytest.mark.parametrize("data", [b"", b" \n", b"{}"], ids=repr)
def test_an_empty_file_has_no_entries(data):
    assert token_file.parse(data) == {}


CORRUPT = {
    "cut off": b'{"data": {',
    "not JSON": b"hello",
    "list": b"[]",
    "null": b"null",
    "map that is a list": b'{"data": []}',
    "old map that is text": b'{"tokens": "x"}',
    "not UTF-8": b'{"data": "\xff"}',
    "bottomless": b"[" * 100_000,
}


@pytest.mark.parametrize("data", CORRUPT.values(), ids=CORRUPT)
def test_a_corrupt_file_is_refused(data):
    with pytest.raises(ValueError):
        token_file.parse(data)


# -- writing


def test_a_new_entry_is_what_bash_cli_and_the_go_sdk_read():
    entry = token_file.put({}, KEY, FRESH, NOW)["data"][KEY]
    assert json.loads(entry) == {
        "access_token": "fresh-access",
        "refresh_token": "fresh-refresh",
        "token_type": "Bearer",
        "expires_in": 3600,
        "expires_at": "2027-01-15T09:00:00Z",
        "scope": "openid",
        "id_token": "",
        "client_id": KEY,
        "issuer": "https://auth.example.com",
    }


def test_a_new_entry_without_expiry_has_the_zero_time_of_go():
    entry = json.loads(token_file.write_entry(TokenSet("a"), NOW))
    assert (entry["expires_in"], entry["expires_at"]) == (0, "0001-01-01T00:00:00Z")


@pytest.mark.parametrize("name", ["refresh_token", "scope", "id_token"])
def test_what_a_new_entry_does_not_have_is_empty_text(name):
    assert json.loads(token_file.write_entry(TokenSet("a"), NOW))[name] == ""


def test_a_token_that_has_expired_has_no_seconds_left():
    assert json.loads(token_file.write_entry(FRESH, NOW + 7200))["expires_in"] == 0


def test_what_is_written_is_read_again():
    token = FRESH._replace(id_token="fresh-id-token")
    assert token_file.read_entry(token_file.write_entry(token, NOW)) == token


def test_a_token_in_both_maps_is_rewritten_where_it_is_read_from():
    both = document(data='{"access_token": "present"}', tokens={"access_token": "old"})
    written = token_file.put(both, KEY, FRESH, NOW)
    assert token_file.get(written, KEY).access_token == "fresh-access"
    assert written["tokens"] == both["tokens"]


@dialects
def test_a_rewritten_entry_is_read_again(dialect):
    written = token_file.put(token_file.parse(SAMPLES[dialect]), KEY, FRESH, NOW)
    token = token_file.get(token_file.parse(token_file.serialise(written)), KEY)
    assert (token.access_token, token.refresh_token, token.expires_at) == ("fresh-access", "fresh-refresh", NOW + 3600)


@dialects
def test_a_rewritten_entry_stays_in_its_map(dialect):
    sample = token_file.parse(SAMPLES[dialect])
    assert list(token_file.put(sample, KEY, FRESH, NOW)) == list(sample)


@dialects
def test_a_rewritten_entry_stays_text_or_object(dialect):
    sample = token_file.parse(SAMPLES[dialect])
    written = token_file.put(sample, KEY, FRESH, NOW)
    name, _ = fields_of(sample)
    assert type(written[name][KEY]) is type(sample[name][KEY])


REWRITTEN_TIMES = {
    "bash-cli": "1800003600",
    "python-sdk": 1800003600.0,
    "go-sdk": "2027-01-15T09:00:00Z",
    "legacy-go-cli": "2027-01-15T09:00:00Z",
}
REWRITTEN_WITHOUT_TIME = {
    "bash-cli": "",
    "python-sdk": 0.0,
    "go-sdk": "0001-01-01T00:00:00Z",
    "legacy-go-cli": "0001-01-01T00:00:00Z",
}


@dialects
def test_a_rewritten_entry_keeps_its_kind_of_expiry(dialect):
    _, fields = fields_of(token_file.put(token_file.parse(SAMPLES[dialect]), KEY, FRESH, NOW))
    assert repr(fields["expires_at"]) == repr(REWRITTEN_TIMES[dialect])


@dialects
def test_an_unknown_expiry_is_written_as_the_dialect_does(dialect):
    token = FRESH._replace(expires_at=None)
    _, fields = fields_of(token_file.put(token_file.parse(SAMPLES[dialect]), KEY, token, NOW))
    assert repr(fields["expires_at"]) == repr(REWRITTEN_WITHOUT_TIME[dialect])


def test_bash_cli_gets_its_kind_of_expiry_back_when_that_was_unknown():
    assert json.loads(rewritten('{"access_token": "a", "expires_at": ""}'))["expires_at"] == "1800003600"


def test_an_expiry_of_no_known_kind_is_written_as_rfc_3339():
    assert json.loads(rewritten('{"access_token": "a", "expires_at": true}'))["expires_at"] == "2027-01-15T09:00:00Z"


def test_a_whole_number_stays_a_whole_number():
    assert '"expires_at": 1800003600,' in rewritten('{"access_token": "a", "expires_at": 1}')


def test_an_entry_of_the_python_sdk_gets_no_sixth_field():
    _, fields = fields_of(token_file.put(token_file.parse(SAMPLES["python-sdk"]), KEY, FRESH, NOW))
    assert set(fields) == {"access_token", "refresh_token", "token_type", "expires_at", "client_id"}


def test_an_entry_of_the_go_sdk_gets_no_empty_fields():
    _, fields = fields_of(token_file.put(token_file.parse(SAMPLES["go-sdk"]), KEY, FRESH, NOW))
    assert "id_token" not in fields


@pytest.mark.parametrize("name", ["scope", "issuer"])
def test_an_entry_of_the_go_sdk_learns_more(name):
    _, fields = fields_of(token_file.put(token_file.parse(SAMPLES["go-sdk"]), KEY, FRESH, NOW))
    assert fields[name] == getattr(FRESH, name)


def test_an_entry_of_the_go_sdk_stays_on_one_line():
    assert "\n" not in token_file.put(token_file.parse(SAMPLES["go-sdk"]), KEY, FRESH, NOW)["data"][KEY]


def test_an_entry_of_bash_cli_keeps_its_indent():
    entry = token_file.put(token_file.parse(SAMPLES["bash-cli"]), KEY, FRESH, NOW)["data"][KEY]
    assert entry.startswith('{\n  "access_token"')


def test_unknown_fields_survive():
    entry = json.loads(rewritten('{"access_token": "a", "flow": "device", "x": {"y": [1, null, 1.5, "\\u00e9"]}}'))
    assert (entry["flow"], entry["x"]) == ("device", {"y": [1, None, 1.5, "é"]})


@pytest.mark.parametrize("number", ["1.10", "1E2", "-0.0", "-0", "3.14159265358979323846", "1e999", "9" * 5000])
def test_numbers_are_written_as_they_were_spelled(number):
    """`Infinity`, which Python writes for 1e999, is not JSON: no other client would read the file again."""
    entry = f'{{"access_token": "a", "x": [{number}]}}'
    document = token_file.parse(f'{{"x": {number}, "tokens": {{"{KEY}": {entry}}}}}'.encode())
    written = token_file.serialise(token_file.put(document, KEY, FRESH, NOW)).decode()

    assert f'"x": {number},' in written
    assert re.search(rf'"x": \[\s*{re.escape(number)}\s*\]', written)
    assert f'"x": [{number}]' in rewritten(entry)


@pytest.mark.parametrize("text", ["\u00005", "\0-", "number 5", "number !5", "number !!"])
def test_texts_that_look_like_our_marks_for_numbers_survive(text):
    before = {"x": text, text: 1.5, "data": {KEY: json.dumps({"access_token": "a", "x": text, text: 1.5})}}
    after = json.loads(
        token_file.serialise(token_file.put(token_file.parse(json.dumps(before).encode()), KEY, FRESH, NOW))
    )
    entry = json.loads(after["data"][KEY])

    assert (after["x"], after[text], entry["x"], entry[text]) == (text, 1.5, text, 1.5)


def test_unknown_keys_and_other_clients_survive():
    before = {"version": 2, "data": {"other": "untouched {", KEY: "{}"}, "tokens": {"other": {"x": 1}}}
    after = token_file.put(before, KEY, FRESH, NOW)
    assert after == {**before, "data": {"other": "untouched {", KEY: after["data"][KEY]}}


def test_what_is_given_is_not_changed():
    before = {"data": {KEY: '{"access_token": "a"}'}}
    token_file.put(before, KEY, FRESH, NOW)
    token_file.remove(before, KEY, TokenSet("a"))
    assert before == {"data": {KEY: '{"access_token": "a"}'}}


def test_text_that_was_no_entry_is_replaced_by_a_new_one():
    assert token_file.read_entry(rewritten("not JSON")) == FRESH


URL = "https://auth.example.com"


def test_removing_takes_the_issuers_entries_out_of_both_maps():
    one, two = {"access_token": "a", "issuer": URL}, {"access_token": "b", "issuer": URL}
    both = {"version": 2, "data": {KEY: json.dumps(one), "other": "b"}, "tokens": {KEY: two, "other": {}}}
    removed = token_file.remove(both, KEY, TokenSet("a", issuer=URL))
    assert removed == {"version": 2, "data": {"other": "b"}, "tokens": {"other": {}}}


@pytest.mark.parametrize("damaged", [{"access_token": "", "refresh_token": "secret"}, "{", None], ids=repr)
def test_removing_takes_out_what_cannot_be_read_too(damaged):
    both = {"data": {KEY: json.dumps({"access_token": "a", "issuer": URL})}, "tokens": {KEY: damaged}}
    assert token_file.remove(both, KEY, TokenSet("a", issuer=URL)) == {"data": {}, "tokens": {}}


@pytest.mark.parametrize("issuer", ["https://other.example", ""])
def test_removing_leaves_another_issuers_entry_alone(issuer):
    other = {"access_token": "b", "issuer": issuer}
    both = {"data": {KEY: json.dumps({"access_token": "a", "issuer": URL})}, "tokens": {KEY: other}}
    assert token_file.remove(both, KEY, TokenSet("a", issuer=URL)) == {"data": {}, "tokens": {KEY: other}}


def test_removing_adds_no_map():
    assert token_file.remove({}, KEY, TokenSet("a")) == {}


@dialects
def test_a_file_is_written_with_the_meaning_it_was_read_with(dialect):
    sample = token_file.parse(SAMPLES[dialect])
    assert json.loads(token_file.serialise(sample)) == sample


def test_a_file_is_indented_as_others_do_it():
    assert token_file.serialise({"data": {}}) == b'{\n  "data": {}\n}\n'


def test_a_lone_surrogate_survives():
    data = b'{"note": "\\ud800", "data": {}}'
    assert token_file.parse(token_file.serialise(token_file.parse(data))) == {"note": "\ud800", "data": {}}


@pytest.mark.parametrize("deep", ["[" * 100_000, '{"a":' * 100_000, '{"data": ' + "[" * 65], ids=len)
def test_a_deep_file_is_corrupt_and_is_never_parsed(deep):
    """With a small stack Python 3.13.0 does not survive the parsing."""
    with pytest.raises(ValueError):
        token_file.parse(deep.encode())
    with pytest.raises(ValueError):
        token_file.parse(deep.encode("utf-16"))
    assert token_file.read_entry(deep) is None
