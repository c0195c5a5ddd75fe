"""Finding datasets by words in Chinese and Latin script, with counts per provider, class, kind and theme."""
