"""What is said when nobody lies: the answers, files and words that the mutator begins with."""

import json

from authgate.keys import SIGNERS, at_hash, encode_jwt

NOW = 1_800_000_000.0
ISSUER = "https://auth.example.com"
CLIENT = "client-1"
CALLBACK = "http://127.0.0.1:8088/callback"
STATE = "a-state-of-this-attempt"

ACCESS, REFRESH, DEVICE = "access-token-of-the-run", "refresh-token-of-the-run", "device-code-of-the-run"
STORED, CLIENT_SECRET = "access-token-of-last-time", "client-secret-of-the-run"
_CLAIMS = {"iss": ISSUER, "sub": "user-1", "aud": CLIENT, "exp": int(NOW) + 600, "iat": int(NOW), "azp": CLIENT}
CLAIMS = {**_CLAIMS, "at_hash": at_hash(ACCESS), "nonce": "n"}
JWTS = {algorithm: encode_jwt(CLAIMS, algorithm) for algorithm in SIGNERS}
HEADER = {"alg": "RS256", "typ": "JWT", "kid": SIGNERS["RS256"].kid}
SECRETS = (ACCESS, REFRESH, DEVICE, STORED, CLIENT_SECRET, *JWTS.values())

DISCOVERY = "/.well-known/openid-configuration"
JWKS = "/.well-known/jwks.json"
ANSWERS = {
    DISCOVERY: {
        "issuer": ISSUER,
        "authorization_endpoint": ISSUER + "/oauth/authorize",
        "token_endpoint": ISSUER + "/oauth/token",
        "device_authorization_endpoint": ISSUER + "/oauth/device/code",
        "userinfo_endpoint": ISSUER + "/oauth/userinfo",
        "revocation_endpoint": ISSUER + "/oauth/revoke",
        "jwks_uri": ISSUER + JWKS,
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "authorization_response_iss_parameter_supported": True,
    },
    "/oauth/device/code": {
        "device_code": DEVICE,
        "user_code": "ABCD-EFGH",
        "verification_uri": ISSUER + "/device",
        "verification_uri_complete": ISSUER + "/device?user_code=ABCD-EFGH",
        "expires_in": 1800,
        "interval": 5,
    },
    "/oauth/token": {
        "token_type": "Bearer",
        "access_token": ACCESS,
        "refresh_token": REFRESH,
        "id_token": JWTS["RS256"],
        "expires_in": 3600,
        "scope": "openid profile",
    },
    "/oauth/userinfo": {"sub": "user-1", "name": "Jane Doe", "email": "jane@example.com", "email_verified": True},
    "/oauth/tokeninfo": {
        "active": True,
        "user_id": "user-1",
        "client_id": CLIENT,
        "scope": "openid profile",
        "exp": int(NOW) + 3600,
        "iss": ISSUER,
        "subject_type": "user",
    },
    JWKS: {"keys": [*SIGNERS["RS256"].jwks(), *SIGNERS["ES256"].jwks()]},
}
CODES = ("authorization_pending", "slow_down", "access_denied", "expired_token", "invalid_grant", "invalid_client")
ERRORS = [{"error": code, "error_description": "for a reason", "interval": 7} for code in CODES]
STATUSES = (200, 200, 200, 400, 400, 401, 403, 404, 429, 500, 503, 302, 301, 204, 100, 999)
HEADERS = {
    "content-type": "application/json",
    "retry-after": "Wed, 21 Oct 2026 07:28:00 GMT",
    "location": ISSUER + "/elsewhere",
    "date": "Fri, 15 Jan 2027 08:00:00 GMT",
}
RAW_ANSWERS = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nRetry-After: 1\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nTrailer: x\r\n\r\n",
    b"HTTP/1.0 302 Found\r\nLocation: https://auth.example.com/\r\nContent-Encoding: identity\r\n\r\nhello",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Not now\r\nRetry-After: 0\r\nConnection: close\r\n\r\n",
)

QUERY = f"code=a-code&state={STATE}&iss=https%3A%2F%2Fauth.example.com&error_description=no+reason"
REQUEST = f"GET /callback?{QUERY} HTTP/1.1\r\nHost: 127.0.0.1:8088\r\nAccept: */*\r\n\r\n".encode()
ENVIRON = {
    "AUTHGATE_URL": ISSUER,
    "CLIENT_ID": CLIENT,
    "CLIENT_SECRET": CLIENT_SECRET,
    "AUTHGATE_SCOPE": "openid profile",
    "AUTHGATE_FLOW": "device",
    "AUTHGATE_REDIRECT_URI": f"{CALLBACK}, http://localhost:8888/callback",
    "AUTHGATE_STORE": "file",
    "AUTHGATE_TOKEN_FILE": "~/tokens.json",
    "AUTHGATE_TIMEOUT": "30",
    "AUTHGATE_NO_INPUT": "0",
    "AUTHGATE_TOKEN": STORED,
    "HTTPS_PROXY": "http://jane:pass%40word@proxy.example.com:3128/",
    "NO_PROXY": "example.org,[::1]:443,.example.net",
    "BROWSER": "/bin/true --new %s:lynx",
    "SSH_CONNECTION": "192.0.2.1 50000 192.0.2.2 22",
    "HOME": "/home/jane",
}
DOTENV = (
    b'\xef\xbb\xbf# ours\r\nexport CLIENT_ID=\'client-1\' # x\r\nCLIENT_SECRET="a \\"b\\" c"\nAUTHGATE_URL='
    + ISSUER.encode()
)
ARGV = ["login", "--flow", "device", "--scope=openid profile", "--json", "-v", "--min-ttl", "60", "--", "ls", "-l"]
ENTRY = {
    "access_token": STORED,
    "refresh_token": REFRESH,
    "token_type": "Bearer",
    "expires_in": 3600,
    "expires_at": "2027-01-15T07:59:00.123+01:00",
    "scope": "openid",
    "id_token": JWTS["HS256"],
    "client_id": CLIENT,
    "issuer": ISSUER,
}
TOKEN_FILES = (
    {"data": {CLIENT: json.dumps(ENTRY, indent=2), "other": "{}"}, "version": 1},
    {"data": {CLIENT: {**ENTRY, "expires_at": NOW - 10}}, "tokens": {}},
    {"tokens": {CLIENT: {**ENTRY, "flow": "device", "expires_at": "1799999990"}}},
)
