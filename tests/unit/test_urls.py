"""URLs are taken apart strictly: what is not plainly a web address is refused with a reason."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from authgate_cli.urls import split


def test_a_url_is_taken_apart():
    url = split("https://Auth.Example.com:8443/realms/one?a=b&c=d#end")
    assert url == ("https", "auth.example.com", 8443, "Auth.Example.com:8443", "/realms/one", "a=b&c=d", "#end")


def test_parts_that_are_not_there_are_empty():
    assert split("https://a.example") == ("https", "a.example", 443, "a.example", "", "", "")


@pytest.mark.parametrize(
    ("url", "port"),
    [("https://a.example", 443), ("http://a.example", 80), ("HTTPS://a.example:1", 1), ("http://[::1]:65535", 65535)],
)
def test_the_port_follows_from_the_scheme_or_is_named(url, port):
    assert split(url).port == port


@pytest.mark.parametrize(
    ("url", "path", "query"),
    [
        ("https://a.example", "", ""),
        ("https://a.example?q", "", "q"),
        ("https://a.example/b/?c=d#e", "/b/", "c=d"),
    ],
)
def test_path_and_query_are_unchanged(url, path, query):
    assert (split(url).path, split(url).query) == (path, query)


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example",
        "https://a.example/?#",
        "HTTP://A.Example:8080//b//c;d?e=/f?g#h?i#j",
        "https://a.example?b/c#d",
        "https://a.example#b/c?d",
        "https://[2001:DB8::1.2.3.4]:00443/a:b@c",
        "http://127.0.0.1:65535/a%2Fb://c",
        "https://a_b-c.example./",
        f"https://{'a.' * 126}a:65535/",
    ],
)
def test_the_parts_are_those_that_the_standard_library_finds(url):
    ours, theirs = split(url), urlsplit(url)
    found = (ours.scheme, ours.host, ours.netloc, ours.path, ours.query, ours.fragment.removeprefix("#"))
    assert found == (theirs.scheme, theirs.hostname, theirs.netloc, theirs.path, theirs.query, theirs.fragment)
    assert ours.port == (theirs.port or {"http": 80, "https": 443}[theirs.scheme])


def test_an_ipv6_host_has_no_brackets():
    assert (split("http://[::1]:80").host, split("http://[::1]:80").netloc) == ("::1", "[::1]:80")


def test_the_origin_is_scheme_host_and_port():
    parts = split("HTTPS://A.example/b")
    assert (parts.scheme, parts.host, parts.port) == ("https", "a.example", 443)


REFUSED = {
    "nothing": ("", "must begin with"),
    "no scheme": ("auth.example.com", "must begin with"),
    "another scheme": ("ftp://a.example", "must begin with"),
    "script": ("javascript:alert(1)", "must begin with"),
    "no authority": ("https:a.example", "must begin with"),
    "no host": ("https://", "names no host"),
    "path at once": ("https:///path", "names no host"),
    "user": ("https://jane@a.example", "user name or password"),
    "credentials": ("https://jane:pw@a.example", "user name or password"),
    "deceiving credentials": ("https://auth.example.com:443@evil.example", "user name or password"),
    "port 0": ("https://a.example:0", "port is not valid"),
    "port 65536": ("https://a.example:65536", "port is not valid"),
    "port without digits": ("https://a.example:", "port is not valid"),
    "port of letters": ("https://a.example:https", "port is not valid"),
    "negative port": ("https://a.example:-1", "port is not valid"),
    "port with a sign": ("https://a.example:+1", "port is not valid"),
    "port with an underscore": ("https://a.example:8_0", "port is not valid"),
    "two ports": ("https://a.example:80:80", "port is not valid"),
    "a port alone": ("https://:80", "host or port is not valid"),
    "half a bracket": ("https://[::1", "host or port is not valid"),
    "half a bracket behind": ("https://::1]", "host or port is not valid"),
    "no brackets": ("https://::1/", "host or port is not valid"),
    "words behind a bracket": ("https://[::1]a.example", "host or port is not valid"),
    "words between bracket and port": ("https://[::1]a.example:80", "host or port is not valid"),
    "words before a bracket": ("https://a.example[::1]", "host or port is not valid"),
    "two brackets": ("https://[[::1]]", "host or port is not valid"),
    "an address of letters": ("https://[::g]", "host or port is not valid"),
    "an address with two gaps": ("https://[1::2::3]", "host or port is not valid"),
    "an address with a zone": ("https://[fe80::1%25eth0]", "host or port is not valid"),
    "a port of many digits": ("https://a.example:" + "1" * 5000, "host or port is not valid"),
    "many zeros before a port": ("https://a.example:" + "0" * 300 + "1", "host or port is not valid"),
    "a host of 262 characters": (f"https://{'a.' * 130}aa", "host or port is not valid"),
    "a host that a shell would run": ("https://$(touch${IFS}x).example", "host or port is not valid"),
    "a host with a semicolon": ("https://a.example;b", "host or port is not valid"),
    "a percent-encoded host": ("https://a%2eexample", "host or port is not valid"),
    "bracketed name": ("https://[name]", "host or port is not valid"),
    "line feed": ("https://a.example\n", "characters that are not allowed in a URL"),
    "header injection": ("https://a.example/\r\nX: y", "characters that are not allowed in a URL"),
    "space": ("https://a.example/a b", "characters that are not allowed in a URL"),
    "backslash": ("https://a.example\\@evil.example", "characters that are not allowed in a URL"),
    "not ASCII": ("https://exämple.com", "characters that are not allowed in a URL"),
    "null": ("https://a.example/\0", "characters that are not allowed in a URL"),
}


@pytest.mark.parametrize(("url", "reason"), REFUSED.values(), ids=REFUSED)
def test_anything_else_is_refused_with_a_reason(url, reason):
    with pytest.raises(ValueError, match=reason):
        split(url)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.255.0.1", "[::1]"])
def test_plain_http_is_safe_within_this_machine(host):
    assert split(f"http://{host}:8080/").is_safe


@pytest.mark.parametrize(
    "host",
    [
        "a.example",
        "localhost.example.com",
        "127.0.0.1.example.com",
        "127.0.0",
        "127.0.0.256",
        "127.0.0.01",
        "127.0.0." + "1" * 240,
        "128.0.0.1",
        "0.0.0.0",
        "[::2]",
        "10.0.0.1",
    ],
)
def test_plain_http_is_not_safe_anywhere_else(host):
    assert not split(f"http://{host}/").is_safe


def test_https_is_safe_everywhere():
    assert split("https://a.example").is_safe
