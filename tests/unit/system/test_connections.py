"""Which proxy an address is reached through; that tunnels work is tested with `http`."""

import pytest

from authgate_cli.errors import UsageError
from authgate_cli.system.connections import Proxy, proxy_for
from authgate_cli.urls import split

PROXY = "http://proxy.example.com:3128"
URL = "https://auth.example.com/oauth/token"


def chosen(url=URL, **environ):
    return proxy_for(split(url), environ)


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
def test_both_spellings_of_the_variable_count(name):
    assert chosen(**{name: PROXY}) == Proxy("proxy.example.com", 3128)


def test_without_a_variable_there_is_no_proxy():
    assert chosen() is chosen(HTTPS_PROXY="") is chosen(HTTP_PROXY=PROXY, http_proxy=PROXY) is None


@pytest.mark.parametrize(
    "url",
    ["https://localhost/", "https://127.0.0.1:8443/", "https://127.8.9.1/", "https://[::1]/", "http://127.0.0.1/"],
)
def test_loopback_is_never_proxied(url):
    assert chosen(url, HTTPS_PROXY=PROXY, HTTP_PROXY=PROXY, http_proxy=PROXY, https_proxy=PROXY) is None


@pytest.mark.parametrize(
    ("no_proxy", "exempt"),
    [
        ("*", True),
        ("auth.example.com", True),
        ("AUTH.example.COM", True),
        ("example.com", True),
        (".example.com", True),
        ("*.example.com", True),
        ("other.org , example.com", True),
        ("other.org example.com", True),
        (" other.org\texample.com ", True),
        ("other.org,,*.example.com", True),
        ("EXAMPLE.com.", True),
        ("auth.example.com:443", True),
        ("auth.example.com:8443", False),
        ("ample.com", False),
        ("example.com.evil.org", False),
        ("10.0.0.0/8", False),
        ("com/24", False),
        ("", False),
        (",", False),
        (".", False),
        ("*.", False),
        (":443", False),
    ],
)
@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_no_proxy_names_what_is_reached_directly(name, no_proxy, exempt):
    assert (chosen(HTTPS_PROXY=PROXY, **{name: no_proxy}) is None) == exempt


@pytest.mark.parametrize(
    ("host", "no_proxy", "exempt"),
    [
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.3:443", True),
        ("10.1.2.3", "10.1.2.3:8443", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "192.168.0.0/16 10.0.0.1/8", True),
        ("10.1.2.3", "10.1.2.3/32:443", True),
        ("10.1.2.3", "10.2.0.0/16", False),
        ("10.1.2.3", "2.3", False),
        ("10.1.2.3", "10.0.0.0/33", False),
        ("10.1.2.3", "0.0.0.0/0", True),
        ("10.1.2.3", "::/0", False),
        ("[2001:db8::7]", "2001:db8::7", True),
        ("[2001:db8::7]", "2001:DB8:0::7", True),
        ("[2001:db8::7]", "[2001:db8::7]", True),
        ("[2001:db8::7]", "[2001:db8::7]:443", True),
        ("[2001:db8::7]", "[2001:db8::7]:8443", False),
        ("[2001:db8::443]", "2001:db8::443", True),
        ("[2001:db8::7]", "2001:db8::/32", True),
        ("[2001:db8::7]", "[2001:db8::]/32", True),
        ("[2001:db8::7]", "2001:db9::/32", False),
    ],
)
def test_no_proxy_names_addresses_and_ranges(host, no_proxy, exempt):
    assert (chosen(f"https://{host}/", HTTPS_PROXY=PROXY, NO_PROXY=no_proxy) is None) == exempt


@pytest.mark.parametrize(
    ("address", "proxy"),
    [
        ("proxy.example.com:3128", Proxy("proxy.example.com", 3128)),
        ("HTTP://proxy.example.com:3128/", Proxy("proxy.example.com", 3128)),
        ("http://proxy.example.com", Proxy("proxy.example.com", 80)),
        ("http://[2001:db8::7]:3128", Proxy("2001:db8::7", 3128)),
        ("http://[2001:db8::7]", Proxy("2001:db8::7", 80)),
        ("http://jane:p%40ss@proxy:3128", Proxy("proxy", 3128, "Basic amFuZTpwQHNz")),
        ("http://jane:p@ss@proxy:3128", Proxy("proxy", 3128, "Basic amFuZTpwQHNz")),
        ("http://jane@proxy:3128", Proxy("proxy", 3128, "Basic amFuZTo=")),
        ("jane:pa/s#s?@proxy:3128", Proxy("proxy", 3128, "Basic amFuZTpwYS9zI3M/")),
        (" http://proxy:3128\r\n", Proxy("proxy", 3128)),
        (" ", None),
    ],
)
def test_a_proxy_is_written_in_many_ways(address, proxy):
    assert chosen(HTTPS_PROXY=address) == proxy


@pytest.mark.parametrize(
    "address",
    [
        "https://proxy:3128",
        "socks5://proxy:1080",
        "http://",
        "http://proxy:port",
        "http://proxy:0",
        "http://p:65536",
        "http://proxy:3128/path",
        "http://proxy:3128?query",
        "http://proxy:3128#fragment",
        "http://jane:\udcff@proxy:3128",
        "http://pr\u00f6xy:3128",
    ],
)
def test_what_is_no_http_proxy_is_a_usage_error(address):
    with pytest.raises(UsageError, match="HTTPS_PROXY"):
        chosen(HTTPS_PROXY=address)


@pytest.mark.parametrize(
    "address",
    [
        "https://jane:hunter2@proxy",
        "http://jane:hunter2@:1",
        "http://jane:hunter2",
        "jane:hunter2://proxy:3128",
        "hunter2://proxy:3128",
        "jane:hunter2@http://proxy:3128",
        "http://proxy:3128/jane:hunter2",
        "http://proxy:3128#hunter2",
        "http://jane:hunter2@proxy:hunter2",
    ],
)
def test_a_wrong_proxy_is_not_shown_with_its_password(address):
    with pytest.raises(UsageError) as caught:
        chosen(HTTPS_PROXY=address)
    shown = f"{caught.value.message} {caught.value.hint}"
    assert "hunter2" not in shown and "jane" not in shown


def test_a_proxys_repr_shows_no_password():
    assert repr(chosen(HTTPS_PROXY="http://jane:hunter2@proxy:3128")) == "<Proxy>"
