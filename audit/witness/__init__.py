"""Witnesses (C2SP tlog-witness): who sees each checkpoint, and refuses a log that contradicts itself."""
