"""The terminal UI: everything by keyboard, over a poor SSH line; a client of the HTTP API only."""
