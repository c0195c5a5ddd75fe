"""The log at a glance: the figures of a period, what stands out in it, and how the log itself stands."""
