"""Checking what the log hands out, by one file that shares no code with us: at the terminal, on screen."""
