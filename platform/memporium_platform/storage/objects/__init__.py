"""The object store: its port, a folder, S3."""
