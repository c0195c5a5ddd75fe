"""The way out: deliveries by e-mail and webhook, from an outbox with retry."""
