"""Build the real edges, and what stands on them."""

from __future__ import annotations

import os
import time
from functools import cache

from .edges.document_cache import DocumentCache, cache_folder
from .edges.file_store import FileStore
from .edges.http import Http
from .edges.importable import is_importable
from .edges.locks import Waiting
from .edges.record import Edges
from .edges.signals import uninterrupted
from .server import Server
from .session import Session
from .settings import SETTINGS, expand_home
from .store import Store
from .values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .edges.browser import Opened
    from .edges.loopback import Listener
    from .edges.surroundings import Surroundings
    from .edges.terminal import Terminal
    from .options import Arguments
    from .settings import Settings
    from .urls import Url


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
    server = Server(edges, settings.issuer, _cache(settings, environ, edges.now))
    session = Session(settings, edges, store, server, waiting, show_qr="no-qr" not in arguments.flags)
    return Wired(edges, store, session)


def _edges(settings: Settings, terminal: Terminal, environ: Mapping[str, str], now: Callable[[], float]) -> Edges:
    """Return the real world. What only a sign-in needs is imported when it is called."""

    def random_bytes(count: int) -> bytes:
        import secrets

        return secrets.token_bytes(count)

    @cache
    def look_around() -> Surroundings:
        from .edges import surroundings

        return surroundings.look_around(environ, terminal.is_terminal)

    def open_browser(url: str) -> Opened | None:
        from .edges import browser

        command = look_around().browser
        return browser.open_browser(command, url, environ) if command else None

    def listen(redirect_uri: Url) -> Listener:
        from .edges.loopback import Listener

        return Listener(redirect_uri, time.monotonic)

    http = Http(settings.timeout, environ, now, time.monotonic, time.sleep, terminal.explain)
    return Edges(
        now=now,
        monotonic=time.monotonic,
        sleep=time.sleep,
        random_bytes=random_bytes,
        send=http.send,
        listen=listen,
        open_browser=open_browser,
        uninterrupted=lambda: uninterrupted(lambda: terminal.tell("Stopping as soon as the server has answered.")),
        terminal=terminal,
        look_around=look_around,
        close=http.close,
    )


def _cache(settings: Settings, environ: Mapping[str, str], now: Callable[[], float]) -> DocumentCache | None:
    """Return where the discovery document is kept; nowhere for a ready token, which leaves nothing behind."""
    home = expand_home("~", environ)
    folder = cache_folder(environ, home if os.path.isdir(home) else "")  # a cache is no reason to make one
    return DocumentCache(folder, now) if folder and not settings.access_token else None


def _store(settings: Settings, edges: Edges, waiting: Waiting, environ: Mapping[str, str]) -> Store:
    terminal, client = edges.terminal, (settings.client_id, settings.issuer)
    file = FileStore(settings.token_file, *client, waiting, terminal.warn)
    if settings.store != "keyring" and not is_importable("keyring"):
        return Store((file,), terminal)
    from .edges.keyring_store import KeyringStore

    default = next(option.default for option in SETTINGS if option.name == "token-file")
    attended = _is_attended(settings.no_input, edges.look_around())
    keyring = KeyringStore(*client, edges.now, attended, terminal.tell, expand_home(default, environ))
    if settings.store == "auto":
        return Store((keyring, file), terminal)
    here, elsewhere = (keyring, file) if settings.store == "keyring" else (file, keyring)
    return Store((here,), terminal, (elsewhere,))


def _is_attended(no_input: bool, here: Surroundings) -> bool:
    """Tell whether somebody may be typing the keyring's password, so that waiting for it makes sense."""
    return not no_input and (here.terminal or (here.display and not here.ci))
