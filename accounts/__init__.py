"""People: accounts, sign-in, sessions and their API tokens."""
