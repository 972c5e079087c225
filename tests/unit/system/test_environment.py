"""What the environment tells; what follows from it is tested with `sign_in.choose`."""

import pytest

from authgate_cli.system.browser import detect

SSH = {"SSH_CONNECTION": "192.0.2.1 50000 192.0.2.2 22"}


def look(**environ):
    return detect(environ, terminal=False)


@pytest.mark.parametrize(
    ("environ", "field", "value"),
    [
        ({}, "ssh", False),
        (SSH, "ssh", True),
        ({"SSH_CLIENT": "192.0.2.1 50000 22"}, "ssh", True),
        ({"SSH_TTY": "/dev/pts/0"}, "ssh", True),
        ({"SSH_TTY": ""}, "ssh", False),
        ({}, "display", False),
        ({"DISPLAY": ":0"}, "display", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "display", True),
        ({"DISPLAY": ""}, "display", False),
        ({}, "ci", False),
        ({"CI": "true"}, "ci", True),
        ({"CI": "1"}, "ci", True),
        ({"CI": "woodpecker"}, "ci", True),
        ({"CI": "False"}, "ci", False),
        ({"CI": "0"}, "ci", False),
        ({"CI": ""}, "ci", False),
        ({"CI": " false\r"}, "ci", False),
        ({"CODESPACES": "true"}, "container", "a codespace"),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "container", "a Kubernetes pod"),
        ({"container": "podman"}, "container", "a container"),
        ({"WSL_DISTRO_NAME": "Debian"}, "platform", "wsl"),
        ({"WSL_INTEROP": "/run/WSL/1_interop"}, "platform", "wsl"),
        ({**SSH, "USER": "jane"}, "ssh_login", "jane@192.0.2.2"),
        ({**SSH, "LOGNAME": "jane"}, "ssh_login", "jane@192.0.2.2"),
        (SSH, "ssh_login", "192.0.2.2"),
        ({"USER": "jane"}, "ssh_login", ""),
        ({"SSH_CONNECTION": "nonsense", "USER": "jane"}, "ssh_login", ""),
        ({}, "browser_asked", ""),
        ({"BROWSER": " firefox %s "}, "browser_asked", "firefox %s"),
    ],
)
def test_a_variable_tells_something(environ, field, value):
    assert getattr(look(**environ), field) == value


@pytest.mark.parametrize("terminal", [True, False])
def test_whether_somebody_sits_there_is_told_by_the_caller(terminal):
    assert detect({}, terminal).terminal is terminal
