"""Before a version listens: it is heard against the history, and silently beside the live one."""
