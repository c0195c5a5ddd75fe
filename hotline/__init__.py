"""The 12345 hotline: a citizen's call becomes a ticket, which is dispatched, handled, answered and closed."""
