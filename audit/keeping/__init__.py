"""How long the log keeps what: retention, erasure by decision, archive units, and a new log each year."""
