"""Sign in anew: by the flow that fits here, or by the one that `auto` goes on with."""

from __future__ import annotations

from .errors import FlowUnavailable, StoreFailed
from .flows import browser, client_credentials, device
from .flows.attempt import Attempt
from .flows.choose import choose, insist_on_a_person
from .held import Held
from .values import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from .edges.record import Edges
    from .flows.keys import KeySet
    from .server import Server
    from .settings import Settings
    from .store import Store
    from .tokens import TokenSet


class SignIn(Value):
    """What a sign-in works with."""

    settings: Settings
    edges: Edges
    store: Store
    server: Server
    show_qr: bool = True

    def run(self, refused: TokenSet | None = None) -> Held:
        """Return the new token as it was kept; a stored one that the server `refused` is cleared first.

        Raise SignInNeeded where nobody may be asked or the person said no.
        """
        settings, here, terminal = self.settings, self.edges.look_around(), self.edges.terminal
        insist_on_a_person(settings.flow, settings.no_input, here)
        # A server that cannot be reached, or a store that cannot be written, is found out before
        # a person is asked to approve anything.
        keys = self.server.keys()
        if "openid" in settings.scope.split():
            keys.load()
        self.store.prepare()
        if refused:
            self.store.discard(refused)
        choice = choose(settings.flow, here)
        terminal.explain(f"signing in with {choice.flow}: {choice.reason}")
        try:
            return self._run(choice.flow, keys, insist=not choice.may_fall_back)
        except FlowUnavailable as error:
            if not choice.may_fall_back:
                raise
            other = "device" if choice.flow == "browser" else "browser"
            terminal.tell(f"{error.sentence}; going on with {'a device code' if other == 'device' else 'a browser'}.")
            # When the device flow was the choice, no browser can be opened here: the address is shown.
            return self._run(other, keys, insist=True, open_page=False)

    def _run(self, flow: str, keys: KeySet, insist: bool, open_page: bool = True) -> Held:
        kept: list[Held] = []

        def keep(token: TokenSet) -> None:
            # A token that cannot be saved is told of at the end: the sign-in is not wasted over it.
            try:
                kept.append(Held(token, flow, self.store.save_new(token)))
            except StoreFailed as failure:
                told = StoreFailed(f"the new token could not be saved: {failure.message}", failure.hint)
                kept.append(Held(token, flow, None, told))

        attempt = Attempt(self.settings, self.server.metadata, self.edges, keys, keep, self.show_qr)
        if flow == "client-credentials":
            client_credentials.sign_in(attempt)
        elif flow == "browser":
            browser.sign_in(attempt, open_page, insist)
        else:
            device.sign_in(attempt)
        return kept[0]
