"""Business systems on pages: registered, approved, given keys and secrets."""
