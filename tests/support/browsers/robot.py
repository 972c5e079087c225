"""A browser for tests: it follows redirects, keeps cookies and submits HTML forms.

It fills in the fields it knows by name and presses the button that means yes, page after page,
until a page asks for nothing more. To deny, it signs in all the same and then presses no.
As a program it can stand in $BROWSER. It prints the last page's path and title; never the query,
which may hold a code.
"""

import argparse
import re
import sys
from html.parser import HTMLParser
from http.client import HTTPException
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin, urlsplit
from urllib.request import BaseHandler, HTTPCookieProcessor, ProxyHandler, build_opener

JANE = {"username": "jane", "password": "secret"}
MAX_STEPS = 8  # a form that is rejected comes back, and must not be sent for ever
PAGE_TIMEOUT = 30  # seconds; the client's callback answers when it has its tokens
# Which answer goes into which field, by its name; `user_code` is no user name.
FIELDS = {"user_code": r"(?i)code", "password": r"(?i)pass", "username": r"(?i)user|login|mail"}
YES = r"(?i)\b(allow|approve|authori[sz]e|accept|confirm|continue|submit|verify|yes|(sign|log).?in)\b"
NO = r"(?i)\b(deny|cancel|abort|reject|refuse|decline|don.?t|no|not)\b"


class RobotError(Exception):
    """A page that the robot cannot get past."""


class Form(NamedTuple):
    """Where the fields go; each has a type and a value."""

    action: str
    method: str
    fields: "dict[str, tuple[str, str]]"


class Control(NamedTuple):
    """Something to press: a button with its form, or a link as a form without fields."""

    label: str
    form: Form
    name: str = ""
    value: str = ""

    def means_no(self) -> bool:
        return bool(re.search(NO, self.label))


class Page(HTMLParser):
    """What an HTML page lets a person read, fill in and press."""

    def __init__(self, url: str, html: str):
        super().__init__()
        self.url, self.path, self.title = url, urlsplit(url).path, ""
        self.forms, self.buttons, self.links = [], [], []
        self._form, self._form_by_id = None, {}
        self._attributes, self._text = {}, ""
        self.feed(html)
        self.close()

    def is_sign_in(self) -> bool:
        return any(kind == "password" for form in self.forms for kind, _ in form.fields.values())

    def handle_starttag(self, tag, attrs):
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open_form(attributes)
        elif tag == "input":
            self._add_input(attributes)
        elif tag in ("a", "button", "title"):
            self._attributes, self._text = attributes, ""

    def handle_data(self, data):
        self._text += data

    def handle_endtag(self, tag):
        text = " ".join(self._text.split())
        if tag == "form":
            self._form = None
        elif tag == "button":
            self._add_button(self._attributes, text)
        elif tag == "a":
            target = urljoin(self.url, self._attributes.get("href", ""))
            self.links.append(Control(text, Form(target, "get", {})))
        elif tag == "title":
            self.title = self.title or text

    def _open_form(self, attributes):
        action = urljoin(self.url, attributes.get("action", ""))
        self._form = Form(action, attributes.get("method", "get").lower(), {})
        self.forms.append(self._form)
        self._form_by_id[attributes.get("id", "")] = self._form

    def _owner(self, attributes) -> "Form | None":
        """The form that a control names, or the one that it stands in."""
        return self._form_by_id.get(attributes["form"]) if "form" in attributes else self._form

    def _add_input(self, attributes):
        kind, form = attributes.get("type", "text").lower(), self._owner(attributes)
        unchecked = kind in ("checkbox", "radio") and "checked" not in attributes
        if kind == "submit":
            self._add_button(attributes, "")
        elif form and "name" in attributes and not unchecked:
            form.fields[attributes["name"]] = kind, attributes.get("value", "")

    def _add_button(self, attributes, text):
        form, value = self._owner(attributes), attributes.get("value", "")
        if form and attributes.get("type", "submit") == "submit":
            label = f"{text} {value}".strip()
            self.buttons.append(Control(label, form, attributes.get("name", ""), value))


class Robot:
    """Walk through the pages of a sign-in with `answers`, and with JANE's where there is none."""

    def __init__(self, answers: "dict[str, str]", deny: bool = False, *handlers: BaseHandler):
        self._answers = {**JANE, **answers}
        self._deny = deny
        policy = DefaultCookiePolicy(secure_protocols=("http", "https"))  # browsers trust http to loopback
        self._opener = build_opener(ProxyHandler({}), HTTPCookieProcessor(CookieJar(policy)), *handlers)

    def visit(self, url: str) -> Page:
        """Return the page that asks for nothing more, or the one that follows a denial."""
        page = self._fetch(url)
        for _ in range(MAX_STEPS):
            if not page.forms and self._deny:
                raise RobotError(f"{page.path} was reached with nothing to deny on the way")
            if not page.forms:
                return page
            control = self._choose(page)
            page = self._press(control)
            if control.means_no():
                return page
        raise RobotError(f"{page.path} still asks for something after {MAX_STEPS} forms")

    def _choose(self, page: Page) -> Control:
        refusals = [control for control in page.buttons + page.links if control.means_no()]
        if self._deny and refusals and not page.is_sign_in():
            return refusals[0]
        for button in page.buttons:
            if button not in refusals and re.search(YES, button.label):  # `Don't allow` is a no
                return button
        raise RobotError(f"{page.path} has no button that means yes")

    def _press(self, control: Control) -> Page:
        form = control.form
        values = {name: self._fill(name, *field) for name, field in form.fields.items()}
        if control.name:
            values[control.name] = control.value
        data = urlencode(values)
        if form.method == "post":
            return self._fetch(form.action, data.encode())
        return self._fetch(f"{form.action}?{data}" if data else form.action)

    def _fill(self, name: str, kind: str, value: str) -> str:
        """The answer to a field; one that is filled in already may stay as it is."""
        answer = next((key for key, names in FIELDS.items() if re.search(names, name)), None)
        if answer is None or kind in ("hidden", "checkbox", "radio"):
            return value
        if value := self._answers.get(answer, value):
            return value
        raise RobotError(f"no {answer} was given for the field {name!r}")

    def _fetch(self, url: str, body: "bytes | None" = None) -> Page:
        try:
            response = self._opener.open(url, body, PAGE_TIMEOUT)
        except HTTPError as error:
            response = error  # its page says what is wrong
        except (OSError, HTTPException) as error:
            raise RobotError(f"{urlsplit(url).path} cannot be loaded: {error}") from error
        with response:
            page = Page(response.geturl(), response.read().decode("utf-8", "replace"))
        if response.status >= 300:  # also a redirect that urllib gave up
            raise RobotError(f"{page.path} answered {response.status}: {page.title}")
        return page


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--deny", action="store_true", help="press what means no")
    parser.add_argument("--code", help="the user code, for a page that asks for it")
    parser.add_argument("--username", help="who signs in, if not Jane")
    parser.add_argument("url")
    options = parser.parse_args()
    given = {"user_code": options.code, "username": options.username}
    answers = {name: answer for name, answer in given.items() if answer}
    try:
        page = Robot(answers, options.deny).visit(options.url)
    except RobotError as error:
        print(f"robot: {error}", file=sys.stderr)
        return 1
    print(page.path, page.title)
    return 0


if __name__ == "__main__":
    sys.exit(main())
