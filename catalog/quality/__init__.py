"""Whether what the platform serves is what the catalog says: a dataset's data against its dictionary.

The dictionary is the entry's `attributes`. Each thing that it says becomes a condition in SQL (`conditions`),
and DuckDB counts over all rows at once how many values break it (`duck`). What is kept are counts and a few
masked examples; the rows themselves are gone with the check.
"""
