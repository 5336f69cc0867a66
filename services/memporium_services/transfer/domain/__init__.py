"""What the transfer service is about."""
