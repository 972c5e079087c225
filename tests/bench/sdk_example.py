"""What AuthGate's own example for the Python SDK does: sign in or use the stored token, then report."""

import os

import authgate
from dotenv import load_dotenv

load_dotenv()
client, token = authgate.authenticate(os.environ["AUTHGATE_URL"], os.environ["CLIENT_ID"], scopes=["profile", "email"])
user = client.userinfo(token.access_token)
print(f"User: {user.name} ({user.email})", f"Subject: {user.sub}", sep="\n")
print(f"Access Token: {token.access_token[:8]}...", f"Expires At: {token.expires_at}", sep="\n")
about = client.token_info_request(token.access_token)
print(f"TokenInfo Active: {about.active}", f"TokenInfo Exp: {about.exp}", sep="\n")
