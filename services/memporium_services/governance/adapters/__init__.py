"""What connects governance to SQL, Casbin, files and Presidio."""
