"""Notices: everybody learns of what waits for them, on the desk, by e-mail and by signed webhooks."""
