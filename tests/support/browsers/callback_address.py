"""Get the callback address of a sign-in without visiting it."""

import urllib.request

from robot import Robot


def callback_address(url: str, deny: bool = False) -> str:
    """Sign in and consent (or say no) at the server; return the callback address instead of visiting it."""

    class Stop(Exception):
        pass

    class StopAtCallback(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, request, fp, code, msg, headers, target):
            if "/callback?" in target:
                raise Stop(target)
            return super().redirect_request(request, fp, code, msg, headers, target)

    try:
        Robot({}, deny, StopAtCallback()).visit(url)
    except Stop as stop:
        return str(stop)
    raise AssertionError("the server did not send anybody back")
