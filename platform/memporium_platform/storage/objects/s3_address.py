"""Where an S3 bucket is and who may use it, from one URL."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True, slots=True)
class S3Address:
    """A bucket at an endpoint.

    Attributes:
        endpoint: `host:port`.
        bucket: Name of the bucket.
        access_key: Id of the credential.
        secret_key: The credential.
        secure: Whether to use TLS.
        region: The bucket's region; given, no call is made to find it out.
    """

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str = field(repr=False)
    secure: bool = True
    region: str = "us-east-1"

    @classmethod
    def parse(cls, url: str) -> S3Address:
        """Return the address in `s3://key:secret@host:port/bucket?secure=false&region=eu-central-1`.

        Raises:
            ValueError: The URL is not of that form; its text is not repeated, for it holds the secret.
        """
        parts = urlsplit(url)
        bucket = parts.path.strip("/")
        if parts.scheme != "s3" or not parts.hostname or not bucket or "/" in bucket or not parts.username:
            message = "an object store's URL has the form s3://key:secret@host:port/bucket?secure=false"
            raise ValueError(message)
        options = parse_qs(parts.query)
        return cls(
            endpoint=parts.netloc.rpartition("@")[2],
            bucket=bucket,
            access_key=unquote(parts.username),
            secret_key=unquote(parts.password or ""),
            secure=options.get("secure", ["true"])[0].lower() not in {"false", "0", "no"},
            region=options.get("region", ["us-east-1"])[0],
        )
