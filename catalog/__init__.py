"""The data catalog: datasets, their revisions and distributions, and finding them."""
