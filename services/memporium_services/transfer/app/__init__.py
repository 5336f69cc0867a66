"""What the transfer service does."""
