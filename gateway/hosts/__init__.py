"""Several gateway hosts on one database: each worker holds a lease, a revocation waits for all."""
