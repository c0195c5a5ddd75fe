"""What operators look up for a ticket: over the gateway, under a grant, on record as any consumer's call."""
