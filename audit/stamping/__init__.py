"""Time stamps of RFC 3161: that a checkpoint existed at a time which an authority vouches for."""
