"""The pages of the AuthGate stand-in: signing in, giving consent, connecting a device."""

from __future__ import annotations

from html import escape

from .messages import Response

STYLE = """
:root { color-scheme: light dark; --ground: #f3f4f7; --card: #fff; --ink: #1b2130; --dim: #5d6678;
  --line: #8a93a6; --accent: #3554d1; --on-accent: #fff; --alarm: #b3261e }
@media (prefers-color-scheme: dark) { :root { --ground: #14171f; --card: #1e222d; --ink: #e8ebf2;
  --dim: #9aa3b5; --line: #6b748a; --accent: #93a8ff; --on-accent: #10142a; --alarm: #ff9d94 } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem;
  background: var(--ground); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif }
main { width: min(25rem, 100%); padding: 2rem; background: var(--card); border-radius: 1rem;
  box-shadow: 0 1px 3px #0002, 0 8px 30px #0001 }
h1 { margin: 0 0 .5rem; font-size: 1.35rem; line-height: 1.3 }
p { margin: 0 0 1rem; color: var(--dim); overflow-wrap: anywhere }
p[role=alert] { color: var(--alarm) }
label { display: block; margin-top: 1rem; font-weight: 600 }
input { width: 100%; margin-top: .25rem; padding: .6rem .75rem; font: inherit; color: inherit;
  background: transparent; border: 1px solid var(--line); border-radius: .5rem }
button { margin: 1.25rem .5rem 0 0; padding: .6rem 1.4rem; font: inherit; font-weight: 600;
  color: var(--on-accent); background: var(--accent); border: 1px solid var(--accent);
  border-radius: .5rem; cursor: pointer }
button[value=deny] { color: inherit; background: transparent; border-color: var(--line) }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
"""
DECISION = """<button name="decision" value="allow">{}</button>
<button name="decision" value="deny">Deny</button>"""


def page(title: str, content: str, status: int = 200) -> Response:
    """Return an HTML page; `content` is HTML."""
    html = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)} · AuthGate</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><style>{STYLE}</style></head>
<body><main><h1>{escape(title)}</h1>{content}</main></body></html>"""
    headers = {"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store"}
    return Response(status, html.encode(), headers)


def message(title: str, text: str, status: int = 200) -> Response:
    """Return a page that asks for nothing."""
    return page(title, f"<p>{escape(text)}</p>", status)


def alert(text: str) -> str:
    """Return a line of HTML that says what went wrong, or nothing."""
    return f'<p role="alert">{escape(text)}</p>' if text else ""


def form(action: str, hidden: dict[str, str], content: str) -> str:
    """Return the HTML of a form that is posted."""
    fields = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in hidden.items()
    )
    return f'<form method="post" action="{escape(action)}">{fields}{content}</form>'


def sign_in_page(action: str, return_to: str, problem: str = "") -> Response:
    """Ask for user name and password."""
    fields = """<label for="username">User name</label>
<input id="username" name="username" autocomplete="username" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button>Sign in</button>"""
    content = alert(problem) + form(action, {"return_to": return_to}, fields)
    return page("Sign in", content, 401 if problem else 200)


def consent_page(action: str, ask: dict[str, str], scope: str, name: str) -> Response:
    """Ask whether a client may have what it asks for."""
    asked = ", ".join(scope.split())
    text = f"Signed in as {name}. The application {ask['client_id']} asks for: {asked}."
    content = f"<p>{escape(text)}</p>" + form(action, ask, DECISION.format("Allow"))
    return page("Allow access?", content)


def device_page(action: str, user_code: str, problem: str = "") -> Response:
    """Ask for the code that a device shows."""
    fields = f"""<label for="user_code">Code</label>
<input id="user_code" name="user_code" value="{escape(user_code)}" required autofocus
 autocomplete="off" autocapitalize="characters" spellcheck="false">"""
    content = "<p>Approve only a code that your own device shows.</p>" + alert(problem)
    content += form(action, {}, fields + DECISION.format("Approve"))
    return page("Connect a device", content, 400 if problem else 200)
