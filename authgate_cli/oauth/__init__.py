"""The rules of OAuth and OpenID as pure functions and values: no sockets, no files, no clock."""
