"""The pages that the browser shows at the end: small, calm, nothing from elsewhere.

The script takes the code out of the address bar and the history; the policy allows it by its
hash, the style likewise, and nothing else.
"""

from __future__ import annotations

import hashlib
import html

from ..oauth.jwt import base64url_encode

_STYLE = (
    ":root{color-scheme:light dark}body{margin:0;min-height:100vh;display:grid;place-items:center;"
    "font:1.0625rem/1.5 system-ui,sans-serif;color:#1b1f24;background:#f6f7f9}"
    "main{max-width:26rem;margin:1.5rem;padding:2rem 2.25rem;border-radius:.75rem;background:#fff;"
    "border:1px solid #d9dde3;border-top:.25rem solid var(--mark)}"
    ".good{--mark:#1a7f4b}.bad{--mark:#b3392f}h1{margin:0 0 .5rem;font-size:1.375rem;font-weight:600}p{margin:0}"
    "@media(prefers-color-scheme:dark){body{color:#e6e9ee;background:#14171b}"
    "main{background:#1d2127;border-color:#343a43;border-top-color:var(--mark)}"
    ".good{--mark:#4cc38a}.bad{--mark:#ef8a80}}"
)
_SCRIPT = 'history.replaceState(null,"",location.pathname)'


def _hash(text: str) -> str:
    digest = base64url_encode(hashlib.sha256(text.encode()).digest())
    return digest.replace("-", "+").replace("_", "/") + "="


HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_hash(_STYLE)}'; "
    f"script-src 'sha256-{_hash(_SCRIPT)}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def page(title: str, text: str, good: bool = False) -> str:
    """Return a page; title and text are escaped."""
    title, text = html.escape(title), html.escape(text)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
        f'<style>{_STYLE}</style><main class="{"good" if good else "bad"}"><h1>{title}</h1><p>{text}</p></main>'
        f"<script>{_SCRIPT}</script></html>"
    )


SUCCESS = page("You are signed in", "Close this window and return to the terminal.", good=True)
DENIED = page("Sign-in denied", "Nothing was granted. You can close this window.")
FAILED = page("Sign-in failed", "The terminal says why. You can close this window.")
NOT_OURS = page("Not the sign-in that is waiting", "This address belongs to another attempt; the waiting one goes on.")
ALREADY_USED = page("Already used", "This sign-in has ended. You can close this window.")
