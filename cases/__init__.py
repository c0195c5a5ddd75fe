"""Everything with a state and deadlines: one engine for datasets, applications, grants and tickets."""
