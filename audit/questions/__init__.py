"""Questions that auditors ask of the whole log, the engines that answer them, and what is taken away."""
