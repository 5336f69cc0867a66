"""Verification without any service: Merkle trees, signed checkpoints, exported audit logs. No I/O, no clock."""
