"""What citizens do themselves, without an account: hand in a request, follow it, rate the result."""
