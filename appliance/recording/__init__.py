"""Making clips from microphones: on request, triggered, scheduled, background."""
