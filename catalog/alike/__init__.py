"""One source for each item: which datasets hold already what an entry registers."""
