"""Sign in to an AuthGate server from any terminal."""

__version__ = "1.0.0"
