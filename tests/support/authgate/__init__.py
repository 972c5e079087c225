"""An AuthGate server for tests and for `make demo`, on a real loopback socket.

    with AuthGateServer() as server:
        sign_in(server.issuer, server.client_id)

| module | what it plays |
|---|---|
| `server` | `AuthGateServer`: starts and stops, records requests, misbehaves when told to |
| `connection`, `messages` | sockets; requests and answers |
| `routes` | which function answers which path, and the rate limits |
| `metadata`, `authorization`, `pages`, `device`, `token_endpoint`, `resources` | the endpoints |
| `provider`, `tokens`, `keys` | options, clients, sessions and codes; tokens; signatures |
| `faults` | the ways to misbehave |

It behaves as AuthGate does today. What it does otherwise stands at the top of the module; what it
leaves out is introspection and the registration of clients.
"""

from .server import AuthGateServer

__all__ = ["AuthGateServer"]
