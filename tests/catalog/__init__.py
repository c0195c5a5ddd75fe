"""The catalog: entries, their data, and finding them."""
