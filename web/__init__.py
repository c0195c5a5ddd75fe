"""The HTTP kit: requests in, replies and pages out, errors translated once. It knows no domain."""
