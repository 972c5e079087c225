"""Everything that touches the world: sockets, files, the terminal, the keyring, signals, the clock."""
