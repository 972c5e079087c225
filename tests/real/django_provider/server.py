"""Django OAuth Toolkit as an OpenID provider on loopback, for tests that need a second family.

    python server.py FOLDER '{"complete": false}'

FOLDER takes the database. The JSON object overrides DEFAULTS. When the provider listens, one line
`ready {issuer}` is printed on stdout; Django's log goes to stderr. The only account is jane, whose
password is `secret`. A client of this family has one grant, so there is one for every way in.
"""

import json
import sys
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler

import django
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer

DEFAULTS = {
    "complete": True,  # False: discovery as it comes, without the device and revocation endpoints
    "ttl": 3600,  # seconds that an access token lives
    "interval": 1,  # seconds, in the device answer
    "iss": False,  # True: every code comes with the issuer (RFC 9207); errors never do
}
CLIENTS = {
    "authgate-browser": "authorization-code",
    "authgate-device": "urn:ietf:params:oauth:grant-type:device_code",
}
LOGIN = """<title>Sign in</title><form method="post">{% csrf_token %}{{ form.as_p }}<button>Log in</button></form>"""
MOUNT = "/o"  # where the toolkit's documentation puts it


def main(folder: str, argument: str = "{}") -> None:
    """Configure Django, make the database, serve."""
    switches = json.loads(argument)
    unknown = set(switches) - set(DEFAULTS)
    assert not unknown, f"unknown switches: {unknown}"
    chosen = {**DEFAULTS, **switches}
    server = ThreadedWSGIServer(("127.0.0.1", 0), WSGIRequestHandler)
    issuer = f"http://127.0.0.1:{server.server_port}{MOUNT}"
    settings.configure(**configuration(Path(folder), issuer, chosen))
    django.setup()
    fill_database()
    server.set_app(WSGIHandler())
    print("ready", issuer, flush=True)
    server.serve_forever()


def configuration(folder: Path, issuer: str, chosen: dict) -> dict:
    """Return the settings: the toolkit's own defaults, but for what a switch or OpenID asks for."""
    key = rsa.generate_private_key(65537, 2048)
    apps = ["auth", "contenttypes", "sessions"]
    return {
        "ALLOWED_HOSTS": ["127.0.0.1"],
        "COMPLETE_DISCOVERY": chosen["complete"],
        "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "db.sqlite3"}},
        "INSTALLED_APPS": [*(f"django.contrib.{app}" for app in apps), "oauth2_provider"],
        "LOGIN_URL": "/login/",
        "MIDDLEWARE": [
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        "MOUNT": MOUNT.lstrip("/"),
        "MIGRATION_MODULES": dict.fromkeys((*apps, "oauth2_provider")),  # tables at once: fast
        "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],  # fast
        "ROOT_URLCONF": "urls",
        "SECRET_KEY": "for tests only",
        "TEMPLATES": [templates()],
        "USE_TZ": True,
        "OAUTH2_PROVIDER": {
            "ACCESS_TOKEN_EXPIRE_SECONDS": chosen["ttl"],
            "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": chosen["iss"],
            "DEVICE_FLOW_INTERVAL": chosen["interval"],
            "OAUTH2_VALIDATOR_CLASS": "urls.Validator",
            "OAUTH_DEVICE_VERIFICATION_URI": f"{issuer}/device/",
            "OAUTH_DEVICE_VERIFICATION_URI_COMPLETE": issuer + "/device/?user_code={user_code}",
            "OIDC_ENABLED": True,
            "OIDC_RSA_PRIVATE_KEY": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            "REFRESH_TOKEN_REUSE_PROTECTION": True,
            "SCOPES": {name: name for name in ("openid", "profile", "email", "offline_access")},
        },
    }


def templates() -> dict:
    """Return where pages come from: one of our own, the rest as the toolkit brings them."""
    own = ("django.template.loaders.locmem.Loader", {"registration/login.html": LOGIN})
    return {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {"loaders": [own, "django.template.loaders.app_directories.Loader"]},
    }


def fill_database() -> None:
    """Make the tables, jane, and the clients."""
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from oauth2_provider.models import get_application_model

    call_command("migrate", run_syncdb=True, verbosity=0)
    get_user_model().objects.create_user("jane", "jane@example.com", "secret", first_name="Jane", last_name="Doe")
    for client_id, grant in CLIENTS.items():
        get_application_model().objects.create(
            client_id=client_id,
            client_type="public",
            authorization_grant_type=grant,
            redirect_uris="http://127.0.0.1/callback",  # on any port (RFC 8252 section 7.3)
            algorithm="RS256",
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
