"""News Service: what the Korean press says about the companies you watch."""

VERSION = "2.0"
