"""What a check has read: the samples, and the schema of the platform if it shows one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_openesg.api import Api
    from airflow_provider_openesg.check.openapi import OpenApi
    from airflow_provider_openesg.client.samples import Samples, SamplingClient


@dataclass(frozen=True, slots=True)
class Read:
    """What was read.

    :param client: the client that has read it, with its differences.
    :param samples: rows and records.
    :param schema: the schema; ``None`` if there is none.
    """

    client: SamplingClient
    samples: Samples
    schema: OpenApi | None

    @property
    def api(self) -> Api:
        """What is written down today."""
        return self.client.api
