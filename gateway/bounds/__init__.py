"""How much the OAuth endpoints take from one source, from one system and from everybody."""
