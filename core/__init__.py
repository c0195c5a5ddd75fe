"""What every package needs and no rule depends on: errors, ids, the database, the unit of work, settings."""
