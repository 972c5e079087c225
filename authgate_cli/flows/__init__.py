"""The ways of signing in."""
