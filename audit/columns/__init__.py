"""The log in columns: what searches and questions read in place of the bodies, and made again from them."""
