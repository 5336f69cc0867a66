"""The kernel shared by all services."""
