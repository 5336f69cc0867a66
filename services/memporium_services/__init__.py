"""The services, one folder each, and what starts them."""
