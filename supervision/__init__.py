"""Supervision: probes of availability, statistics by period, and what is published of them."""
