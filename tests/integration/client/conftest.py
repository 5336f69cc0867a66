from __future__ import annotations

from support.servers import milvus_path, postgres_server, postgres_url, s3_server, s3_url

__all__ = ["milvus_path", "postgres_server", "postgres_url", "s3_server", "s3_url"]
