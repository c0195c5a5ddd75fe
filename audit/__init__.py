"""The audit log: who was let at which data and why, durable before the answer, provable afterwards."""
