"""Build the real edges, and what stands on them."""

from __future__ import annotations

import secrets
import time

from .edges.browser import open_browser
from .edges.file_store import FileStore
from .edges.http import Http
from .edges.importable import is_importable
from .edges.keyring_store import KeyringStore
from .edges.locks import Waiting
from .edges.loopback import Listener
from .edges.record import Edges
from .edges.signals import uninterrupted
from .edges.surroundings import look_around
from .session import Session
from .settings import SETTINGS, expand_home
from .store import Store
from .values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .edges.surroundings import Surroundings
    from .edges.terminal import Terminal
    from .options import Arguments
    from .settings import Settings


class Wired(Value):
    """The real edges, and what stands on them."""

    edges: Edges
    store: Store
    session: Session


def wire(
    arguments: Arguments,
    settings: Settings,
    terminal: Terminal,
    environ: Mapping[str, str],
    now: Callable[[], float],
    edit: Callable[[Edges], Edges],
) -> Wired:
    """Build everything; a test may `edit` the edges before anything stands on them."""
    edges = edit(_edges(settings, terminal, environ, now))
    waiting = Waiting(edges.now, edges.monotonic, edges.sleep)
    store = _store(settings, edges, waiting, environ)
    session = Session(settings, edges, store, waiting, show_qr="no-qr" not in arguments.flags)
    return Wired(edges, store, session)


def _edges(settings: Settings, terminal: Terminal, environ: Mapping[str, str], now: Callable[[], float]) -> Edges:
    """Return the real world."""
    here = look_around(environ, terminal.is_terminal)
    http = Http(settings.timeout, environ, now, time.monotonic, time.sleep, terminal.explain)
    return Edges(
        now=now,
        monotonic=time.monotonic,
        sleep=time.sleep,
        random_bytes=secrets.token_bytes,
        send=http.send,
        listen=lambda redirect: Listener(redirect, time.monotonic),
        open_browser=lambda url: open_browser(here.browser, url, environ) if here.browser else None,
        uninterrupted=lambda: uninterrupted(lambda: terminal.tell("Stopping as soon as the server has answered.")),
        terminal=terminal,
        surroundings=here,
        close=http.close,
    )


def _store(settings: Settings, edges: Edges, waiting: Waiting, environ: Mapping[str, str]) -> Store:
    terminal, client = edges.terminal, (settings.client_id, settings.issuer)
    file = FileStore(settings.token_file, *client, waiting, terminal.warn)
    if settings.store != "keyring" and not is_importable("keyring"):
        return Store((file,), terminal)
    default = next(option.default for option in SETTINGS if option.name == "token-file")
    attended = _is_attended(settings.no_input, edges.surroundings)
    keyring = KeyringStore(*client, edges.now, attended, terminal.tell, expand_home(default, environ))
    if settings.store == "auto":
        return Store((keyring, file), terminal)
    here, elsewhere = (keyring, file) if settings.store == "keyring" else (file, keyring)
    return Store((here,), terminal, (elsewhere,))


def _is_attended(no_input: bool, here: Surroundings) -> bool:
    """Tell whether somebody may be typing the keyring's password, so that waiting for it makes sense."""
    return not no_input and (here.terminal or (here.display and not here.ci))
