"""Reading of lists that are served from memory and change between two requests."""

import threading

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_openesg.api import ASSUMED
from airflow_provider_openesg.client.envelope import Page, decode_page
from airflow_provider_openesg.client.pagination import MAX_PASSES, Listing
from airflow_provider_openesg.client.session import OpenESGSession
from airflow_provider_openesg.client.translation import Translator
from airflow_provider_openesg.exceptions import OpenESGApiError, OpenESGContractError, OpenESGNotFoundError
from airflow_provider_openesg.records import LINK
from airflow_provider_openesg.settings import OpenESGSettings

URL = "https://esg.example/api/v1/reports"


def decode_records(body):
    return decode_page(body, api=ASSUMED, translator=Translator(LINK))


class Server:
    """Serve ``rows`` in one of the envelopes; ``changes[n]`` is called before the n-th response."""

    def __init__(self, rows, envelope="items", cap=None, max_limit=10**9):
        self.rows, self.envelope, self.cap, self.max_limit = list(rows), envelope, cap, max_limit
        self.changes = {}
        self.requests: list[tuple[str, int]] = []
        self.lock = threading.Lock()

    def __call__(self, url, query):
        with self.lock:
            # The links of this server are offsets.
            # It ignores the number of a page.
            offset = int(query.get("offset", 0)) if query else int(url.rpartition("=")[2])
            limit = int(query["limit"]) if query else 3
            self.requests.append((url, offset))
            if limit > self.max_limit:
                raise OpenESGApiError("limit: too large", method="GET", url=url, status=422)
            limit = min(limit, self.cap or 10**9)
            self.changes.get(len(self.requests), lambda rows: None)(self.rows)
            return self.page(offset, limit)

    def page(self, offset, limit):
        if self.envelope == "all_rows":
            return Page(list(self.rows), list(self.rows))
        rows = self.rows[offset : offset + limit]
        if self.envelope == "bare":
            return Page(rows, list(rows))
        if self.envelope == "links":
            more = offset + len(rows) < len(self.rows)
            return Page(rows, list(rows), len(self.rows), f"/api/v1/reports?o={offset + len(rows)}" if more else None)
        return Page(rows, list(rows), len(self.rows))

    def read(self, page_size=3, parallel=1, most=None):
        return [row for page in listing(self, page_size, parallel, most).pages() for row in page]


def listing(server, page_size, parallel, most=None, seen=None):
    session = OpenESGSession(OpenESGSettings.from_connection(host="https://esg.example", login="id", password="secret"))

    def fetch(url, query):
        page = server(url, query)
        return lambda: lambda: page

    return Listing(
        fetch,
        URL,
        {},
        page_size=page_size,
        most=most or page_size,
        parallel=parallel,
        same_origin=session.same_origin,
        seen=seen,
    )


@pytest.mark.parametrize("envelope", ["items", "links", "bare", "all_rows"])
@pytest.mark.parametrize("parallel", [1, 4])
@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 5, 6, 7, 20])
def test_every_row_is_read_once_and_in_order(envelope, parallel, number):
    server = Server(range(number), envelope)
    assert server.read(parallel=parallel) == list(range(number))


def test_requests_of_an_unchanged_list():
    server = Server(range(300))
    assert server.read(page_size=100) == list(range(300))
    assert [offset for _, offset in server.requests] == [0, 99, 198, 297]  # one row of overlap
    server = Server(range(99))
    assert server.read(page_size=100) == list(range(99))
    assert len(server.requests) == 1
    # A total of a usual page size may be that of the page: one more request shows it.
    server = Server(range(100))
    assert server.read(page_size=100) == list(range(100))
    assert [offset for _, offset in server.requests] == [0, 99]


@pytest.mark.parametrize("envelope", ["items", "links"])
@pytest.mark.parametrize("where", [0, 1, 5, 10, 19, 20])
@pytest.mark.parametrize("at", range(1, 12))
def test_inserted_row_is_read_once_and_no_other_is_lost(envelope, where, at):
    server = Server(range(20), envelope)
    server.changes[at] = lambda rows: rows.insert(where, 99)
    got = server.read()
    assert sorted(got) == sorted(set(got)), "doubled"
    assert set(range(20)) <= set(got)
    # With links, only a later page shows that a row was inserted after its page was read.
    if len(server.requests) > at or envelope == "items":
        assert (99 in got) == (99 in server.rows)


@pytest.mark.parametrize("envelope", ["items", "links", "bare"])
@pytest.mark.parametrize("where", [0, 1, 5, 10, 19])
@pytest.mark.parametrize("at", range(2, 12))
def test_no_other_row_is_lost_if_one_is_removed(envelope, where, at):
    server = Server(range(20), envelope)
    server.changes[at] = lambda rows: rows.remove(where)
    got = server.read()
    assert sorted(got) == sorted(set(got)), "doubled"
    assert set(range(20)) - {where} <= set(got)


changes = st.dictionaries(
    st.integers(1, 25), st.tuples(st.sampled_from(["insert", "remove"]), st.floats(0, 1)), max_size=MAX_PASSES - 1
)


@settings(max_examples=300, deadline=None, database=None)
@given(
    changes=changes,
    number=st.integers(0, 30),
    page_size=st.integers(4, 9),
    parallel=st.sampled_from([1, 3]),
    most=st.sampled_from([None, 12]),
    cap=st.sampled_from([None, 11]),
)
def test_any_insertions_and_removals(changes, number, page_size, parallel, most, cap):
    server = Server(range(number), cap=cap)
    stayed, kinds, inserted = set(range(number)), set(), {}

    def change(at, kind, share):
        def run(rows):
            place = round(share * len(rows))
            kinds.add(kind)
            if kind == "insert":
                rows.insert(place, 1000 + at)
                inserted[1000 + at] = at
            elif rows:
                stayed.discard(rows.pop(min(place, len(rows) - 1)))

        return run

    server.changes = {at: change(at, *arguments) for at, arguments in changes.items()}
    got = server.read(page_size, parallel, most)
    assert len(got) == len(set(got)), "doubled"
    assert stayed <= set(got), "lost"
    if kinds == {"insert"}:
        assert set(inserted) <= set(got), "an inserted row was lost"


def test_rows_appended_while_reading_need_no_second_pass():
    server = Server(range(20))
    server.changes = {n: lambda rows: rows.append(len(rows)) for n in range(2, 8)}
    assert server.read() == list(range(26))
    offsets = [offset for _, offset in server.requests]
    assert offsets == sorted(offsets)


def test_list_that_changes_all_the_time_is_an_error():
    server = Server(range(20))
    server.changes = {n: lambda rows: rows.insert(0, -len(rows)) for n in range(1, 1000)}
    with pytest.raises(OpenESGContractError, match="changes faster than it can be read"):
        server.read()
    assert server.requests.count((URL, 0)) == MAX_PASSES


@pytest.mark.parametrize(
    ("server", "offsets"),
    [
        ({}, range(0, 39, 19)),
        ({"cap": 5}, [0, *range(0, 39, 4)]),
        ({"max_limit": 5}, [0, *range(0, 39, 3)]),
        ({"envelope": "bare"}, range(0, 39, 19)),
        ({"envelope": "bare", "cap": 5}, range(0, 40, 4)),
    ],
)
def test_largest_page_that_the_platform_allows_is_used(server, offsets):
    """The first request is for more than the page size. If the platform allows less, the page size is used."""
    server = Server(range(40), **server)
    assert server.read(page_size=4, most=20) == list(range(40))
    assert [offset for _, offset in server.requests] == [*offsets]


def test_page_size_that_the_platform_limits_is_recognized():
    server = Server(range(500), cap=50)
    assert server.read(page_size=100) == list(range(500))
    # It is requested again, because rows and count are two queries.
    assert [offset for _, offset in server.requests] == [0, 0, *range(49, 499, 49)]


def test_limited_bare_array_is_read_to_its_end():
    server = Server(range(120), "bare", cap=50)
    assert server.read(page_size=100) == list(range(120))


def test_page_that_is_too_short_once_is_read_again():
    server = Server(range(20))
    serve = server.page

    def short_once(offset, limit):
        page = serve(offset, limit)
        return Page(page.rows[:-1], page.ids[:-1], page.count) if len(server.requests) == 3 else page

    server.page = short_once
    assert server.read() == list(range(20))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda page: Page(page.rows[:-1], page.ids[:-1], page.count), "the page ends early"),
        (lambda page: Page([*page.rows, 77], [*page.ids, 77], page.count), "ignores 'limit' or 'offset'"),
        (lambda page: Page(page.rows, page.ids, None), "has no total"),
        (lambda page: Page([5, 5, 6], [5, 5, 6], page.count), "the row with id 5 twice"),
        (lambda page: Page([], [], page.count), "the page ends early"),
    ],
)
@pytest.mark.parametrize("parallel", [1, 4])
def test_invalid_page_is_an_error_that_names_the_list(change, message, parallel):
    server = Server(range(20))
    serve = server.page
    server.page = lambda offset, limit: change(serve(offset, limit)) if offset == 6 else serve(offset, limit)
    with pytest.raises(OpenESGContractError, match=message) as caught:
        server.read(parallel=parallel)
    assert str(caught.value).startswith(URL)


@pytest.mark.parametrize("number", [4, 5, 20])
def test_server_that_ignores_offset_and_page_is_an_error(number):
    server = Server(range(number))
    serve = server.page
    server.page = lambda offset, limit: serve(0, limit)
    with pytest.raises(OpenESGContractError, match="neither 'offset' nor 'page' leads to the rows after the first 3"):
        server.read()
    assert len(server.requests) <= 6


def test_server_that_ignores_limit_returns_the_complete_list():
    server = Server(range(20))
    server.page = lambda offset, limit: Page(list(range(20)), list(range(20)), 20)
    assert server.read() == list(range(20))
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ("https://elsewhere.example/api/v1/reports?o=3", "leaves the platform"),
        ("http://esg.example/api/v1/other?o=3", "leaves the platform"),
        ("//elsewhere.example/reports?o=3", "leaves the platform"),
        ("https://esg.example:8443/api/v1/?o=3", "leaves the platform"),
        ("https://esg.example@elsewhere.example/reports?o=3", "leaves the platform"),
        ("https://[esg.example/reports?o=3", "leaves the platform"),
        ("?o=0", "repeats the one before"),
    ],
)
def test_invalid_links_are_an_error(link, message):
    server = Server(range(20), "links")
    serve = server.page
    server.page = lambda offset, limit: Page(*(serve(offset, limit).rows,) * 2, 20, link)
    with pytest.raises(OpenESGContractError, match=message):
        server.read()
    assert all(url.startswith("https://esg.example/") for url, _ in server.requests)


@pytest.mark.parametrize("address", ["http://esg.example", "https://esg.example:8443"])
def test_link_of_a_platform_that_does_not_know_its_address_is_followed_at_the_base_url(address):
    server = Server(range(20), "links")
    serve = server.page

    def page(offset, limit):
        page = serve(offset, limit)
        return Page(page.rows, page.ids, page.count, page.next and f"{address}{page.next}")

    server.page = page
    assert server.read() == list(range(20))
    assert all(url.startswith("https://esg.example/") for url, _ in server.requests)


@pytest.mark.parametrize("total", [True, False])
@pytest.mark.parametrize("base", [0, 1])
@pytest.mark.parametrize("number", [0, 1, 3, 7, 8, 9, 12])
def test_pages_with_numbers(base, number, total):
    """Offset and limit are ignored; a page after the last is 404."""

    def serve(url, query):
        page = int(query.get("page", base)) - base
        if page < 0 or page * 3 > max(0, number - 1):
            raise OpenESGNotFoundError("Invalid page.", method="GET", url=url, status=404)
        rows = list(range(number))[3 * page : 3 * page + 3]
        return Page(rows, rows, number if total else None)

    for _ in range(2):
        read = listing(serve, 3, 2)
        assert [row for page in read.pages() for row in page] == list(range(number))


@pytest.mark.parametrize(("count", "is_numbered"), [(3, True), (None, False)])
def test_count_of_the_page_is_not_that_of_the_list(count, is_numbered):
    def serve(url, query):
        page = int(query.get("page", 1)) - 1
        rows = list(range(8))[3 * page : 3 * page + 3]
        return Page(rows, rows, count and len(rows), is_numbered=is_numbered)

    assert [row for page in listing(serve, 3, 2).pages() for row in page] == list(range(8))


def test_total_that_is_too_small_is_not_believed():
    def serve(url, query):
        page = int(query.get("page", 1)) - 1
        rows = list(range(10))[3 * page : 3 * page + 3]
        return Page(rows, rows, 6)

    assert [row for page in listing(serve, 3, 2).pages() for row in page] == list(range(10))


def test_row_deleted_between_pages_with_numbers_and_without_a_total():
    rows = list(range(12))

    def serve(url, query):
        page = int(query.get("page", 1)) - 1
        if page == 2 and 4 in rows:
            rows.remove(4)
        return Page(rows[3 * page : 3 * page + 3], rows[3 * page : 3 * page + 3])

    read = [row for page in listing(serve, 3, 1).pages() for row in page]
    assert sorted(read) == list(range(12))


def test_more_rows_than_can_be_requested_are_an_error():
    def serve(url, query):
        return Page([1, 2, 3], [1, 2, 3], more="has_more")

    with pytest.raises(OpenESGContractError, match="'has_more' says that there are more rows after the first 3"):
        list(listing(serve, 3, 1).pages())


def test_cyclic_links_are_an_error():
    server = Server(range(20), "links")
    serve = server.page
    server.page = lambda offset, limit: (lambda page: Page(page.rows, page.ids, 20, page.next or "?o=3"))(
        serve(offset, limit)
    )
    with pytest.raises(OpenESGContractError, match="leads back"):
        server.read()


def test_links_that_end_early_are_an_error():
    server = Server(range(20), "links")
    serve = server.page
    server.page = lambda offset, limit: serve(offset, limit) if offset < 6 else Page([6], [6], 20, None)
    with pytest.raises(OpenESGContractError, match="the last page came after 7 rows, while the total is 20"):
        server.read()


def test_rows_of_an_earlier_query_are_not_returned_again():
    """A platform that ignores a filter returns all rows for each of its values."""
    seen = set()
    first, second = (listing(Server(range(7)), 3, 1, seen=seen) for _ in range(2))
    assert [row for page in first.pages() for row in page] == list(range(7))
    assert list(second.pages()) == []


def test_number_of_prefetched_pages_is_limited():
    server = Server(range(3000))
    pages = listing(server, 3, 4).pages()
    for number in range(1, 6):
        next(pages)
        # The pages read, four in progress and four waiting; no more for a slow reader.
        assert len(server.requests) <= number + 8
    pages.close()
    assert len(server.requests) <= 13


@pytest.mark.parametrize(
    ("body", "rows", "count", "link"),
    [
        (b'{"items": [{"id": 1}], "count": 1}', [{"id": 1}], 1, None),
        (
            b'{"results": [{"id": "a"}], "count": 4, "next": "http://x/", "previous": null}',
            [{"id": "a"}],
            4,
            "http://x/",
        ),
        (b'{"results": [{"id": 1, "n": 1.5}]}', [{"id": 1, "n": 1.5}], None, None),
        (b'[{"id": 1}, {"id": "2"}]', [{"id": 1}, {"id": "2"}], None, None),
        (b"[]", [], None, None),
    ],
)
def test_envelopes(body, rows, count, link):
    page = decode_records(body)
    assert (page.rows, page.ids, page.count, page.next) == (rows, [row["id"] for row in rows], count, link)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<!doctype html><title>Log in</title>",
        b'{"items": [{"id": 1}',
        b'{"detail": "something went wrong"}',
        b'{"items": {"id": 1}, "count": 1}',
        b'"text"',
        b"null",
        b'{"items": [{"name": "no id"}], "count": 1}',
        b'{"items": [{"id": null}], "count": 1}',
        b'{"items": [{"id": true}], "count": 1}',
        b'{"items": [7], "count": 1}',
        b'{"items": [], "count": "three"}',
        b'{"items": [], "error": "no access"}',
        b'{"success": false, "data": []}',
        b'{"results": [], "next": [5]}',
        b"\xff\xfe",
    ],
)
def test_body_that_is_not_a_page_is_an_error(body):
    with pytest.raises((ValueError, msgspec.MsgspecError)):
        decode_records(body)


def test_later_page_without_count_that_repeats_is_an_error():
    def last_page_again(url, query):
        rows = list(range(9))[min(int(query["offset"]), 4) :][:5]
        return Page(rows, list(rows))

    with pytest.raises(OpenESGContractError, match=r"offset 8 repeats the one before"):
        list(listing(last_page_again, 5, 1).pages())
