"""What the transfer service needs from outside."""
