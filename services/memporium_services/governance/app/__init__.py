"""What governance does, free of transport and storage."""
