"""Finding articles by words in Chinese and Latin script, the best first, each with the passage that hits."""
