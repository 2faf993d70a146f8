"""An S3 server over HTTP on a free port: moto's server in a thread."""

from __future__ import annotations

import json
import logging
import urllib.request
from typing import TYPE_CHECKING, Any, Self

import boto3
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from types import TracebackType


class S3Server:
    """S3 with one bucket, ``lake``.

    :param access_key: of :attr:`connection`.
    """

    access_key = "lake-writer"
    secret_key = "not-a-secret-but-long"

    def __enter__(self) -> Self:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it logs every request
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.url = f"http://{host}:{port}"
        self.client = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
        )
        self.client.create_bucket(Bucket="lake")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.stop()

    def connection(self, **extra: Any) -> str:
        """Return an Airflow Connection to the server, as JSON."""
        return json.dumps(
            {
                "conn_type": "aws",
                "login": self.access_key,
                "password": self.secret_key,
                "extra": {"endpoint_url": self.url, "region_name": "us-east-1", **extra},
            }
        )

    def reject_credentials(self, after: float) -> None:
        """Reject all credentials after a number of requests; infinity accepts them again."""
        headers = {"Content-Type": "text/plain"}
        call = urllib.request.Request(f"{self.url}/moto-api/reset-auth", str(after).encode(), headers)
        urllib.request.urlopen(call).close()

    def keys(self, prefix: str = "") -> list[str]:
        """Return the names of all objects with a prefix."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket="lake", Prefix=prefix)
        return [each["Key"] for page in pages for each in page.get("Contents", [])]

    def unfinished_uploads(self) -> list[str]:
        """Return the names of uploads that are neither completed nor aborted."""
        return [each["Key"] for each in self.client.list_multipart_uploads(Bucket="lake").get("Uploads", [])]
