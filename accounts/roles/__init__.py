"""Who holds which role: proposed by one person, decided by another."""
