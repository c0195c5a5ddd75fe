"""Matters: demands, corrections, disputes and the other procedures around datasets and grants."""
