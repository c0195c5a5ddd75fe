"""The hotline's own dataset: monthly sums without anything personal, for others to use over the gateway."""
