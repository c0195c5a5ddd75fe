"""The data plane measured beside peers that do the same job, in the same run: `python -m bench`."""
