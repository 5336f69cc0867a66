"""Trade with other platforms."""
