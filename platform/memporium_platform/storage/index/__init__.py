"""The search index: its port, the embedded engine, Milvus."""
