"""Trade with other platforms: rows, certificates, the listener and the calls to others."""
