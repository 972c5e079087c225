"""The rules of OAuth and OpenID Connect as pure functions and values: no sockets, files or clock."""
