"""The audit log: signed rows, the hash chain over them, its signed heads, and the check of all three against the database."""
