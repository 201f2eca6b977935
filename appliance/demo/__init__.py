"""The demo: a box learns sounds in a few minutes, without a microphone."""
