"""The knowledge base: units write what the hotline answers with, others review it, operators look it up."""
