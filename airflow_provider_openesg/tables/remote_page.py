"""Pages whose rows are in the worker process, as the task process knows them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections import deque

    from airflow_provider_openesg.client.envelope import Page
    from airflow_provider_openesg.tables.report_builder import DecodedPage


@dataclass(slots=True, eq=False)
class RemotePage:
    """A page that the worker process has decoded. It is kept there as long as one of its rows is referenced here.

    :param body: the page as it was received.
    :param dropped: gets the number when the page is not referenced any more.
    """

    number: int
    body: bytes
    decoded: DecodedPage
    dropped: deque[int]

    def page(self) -> Page[RemoteRow]:
        """Return the page, with references as rows."""
        page = self.decoded.page
        return replace(page, rows=[RemoteRow(self, position) for position in range(len(page.ids))])

    def __del__(self) -> None:
        self.dropped.append(self.number)


class RemoteRow(NamedTuple):
    """A row of such a page."""

    page: RemotePage
    position: int
