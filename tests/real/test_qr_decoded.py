"""The QR code on a real terminal, read by a decoder that is not ours and followed by a real browser."""

import pytest
import visitor
from qr_reader import decoded
from screen import Screen
from webdriver import Chromium


@pytest.fixture
def terminal(counterpart, client):
    terminal = Screen(client, "login", "--flow", "device")
    yield terminal
    terminal.close()


@pytest.mark.parametrize("counterpart", ["authgate", "oidc_provider"], indirect=True)
def test_device_is_approved_in_chromium_at_the_decoded_address(terminal, counterpart, client):
    shown = terminal.wait_for(r"open directly +(http\S+)")[1]

    address = decoded(terminal.shown)
    assert address == shown
    with Chromium() as chromium:
        chromium.open(address)
        if counterpart == "oidc_provider":
            chromium.click(visitor.RIGHT_CODE)
        visitor.decide(chromium, "allow")
        terminal.wait_for("User: Jane Doe")  # before the browser closes: what is asked for may still be on its way

    assert terminal.finish() == 0
    assert client.token_file.exists()
