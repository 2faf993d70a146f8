"""Documents of what differs on a platform: valid ones, every error, and the texts and schema made from an API."""

import json
import pickle
import random
import re
import subprocess
import sys
import tomllib
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import jsonschema
import pytest

from airflow_provider_openesg.api import ASSUMED, REQUEST_FIELDS, REQUEST_STATUSES, Api, Filters, Paging, Words
from airflow_provider_openesg.api_document import (
    MAX_BYTES,
    api_schema,
    api_text,
    load_api,
    read_api,
    read_document,
)
from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.records import RECORDS
from airflow_provider_openesg.reports.requests.columns import COLUMNS

TOML = """
[paging]
style = "page"
max = 500

[envelope]
rows = "data.rows"

[paths]
reports = "/v2/reports/"
sections = "templates/{id}/sections"

[filters]
reports.status = ""
report_requests.updated_after = "changed_since"

[names]
report.customer_identifier = "customer_reference"
report.period_start = "period.from"

[words.status]
eingereicht = "submitted"
"geprüft" = "accepted"

[write]
request.template = "report_template_id"

[values]
point = "group"

[pages]
reports = "app/reports/"
"""
PARSED = {
    "paging": {"style": "page", "max": 500},
    "envelope": {"rows": "data.rows"},
    "paths": {"reports": "/v2/reports/", "sections": "templates/{id}/sections"},
    "filters": {"reports": {"status": None}, "report_requests": {"updated_after": "changed_since"}},
    "names": {"report": {"customer_identifier": "customer_reference", "period_start": "period.from"}},
    "words": {"status": {"eingereicht": "submitted", "geprüft": "accepted"}},
    "write": {"request": {"template": "report_template_id"}},
    "values": {"point": "group"},
    "pages": {"reports": "app/reports/"},
}


def error_text(given, read=read_api, **options):
    with pytest.raises(OpenESGConfigError) as caught:
        read(given, "the source", **options)
    assert str(caught.value).startswith("the source: ")
    return str(caught.value).removeprefix("the source: ")


@pytest.mark.parametrize(
    "given",
    [TOML, PARSED, json.dumps(PARSED), " \r\n" + json.dumps(PARSED, indent=1), "\ufeff" + TOML.replace("\n", "\r\n")],
)
def test_all_forms_mean_the_same(given):
    api = read_api(given, "x")
    assert (api.paging.style, api.paging.max, api.paging.limit) == ("page", 500, "limit")
    assert (api.envelope.rows, api.envelope.next) == ("data.rows", None)
    assert (api.path("reports"), api.path("report-requests")) == ("v2/reports/", "report-requests")
    assert "status" not in api.filter_names("reports")
    assert api.filter_names("report-requests")["updated_after"] == "changed_since"
    assert api.names == PARSED["names"]
    assert api.words == Words(status=PARSED["words"]["status"])
    assert api.write.request == {"template": "report_template_id"}
    assert (api.values.point, api.pages.reports, api.pages.report_requests) == (
        "group",
        "/app/reports",
        "/report-requests",
    )


@pytest.mark.parametrize("nothing", ["", "# as assumed\n", "{}", {}, "[paging]", '{"names": {}}'])
def test_what_is_not_given_is_as_assumed(nothing):
    assert read_api(nothing, "x") == ASSUMED == Api()
    assert api_text(ASSUMED) == ""


@pytest.mark.parametrize(
    ("given", "message"),
    [
        # keys
        ("pagin.max = 1", "key pagin given; allowed: paging, envelope, paths"),
        ("[paging]\nofset = 'x'", "key paging.ofset given; allowed in paging: style, limit, offset, page, size, "),
        ("[paging]\nofset = 'x'", ", cursor, max. Did you mean 'offset'?"),
        ("[filters.report-requests]", "report_requests, reports. Did you mean 'report_requests'?"),
        ("[filters.reports]\ntemplates = 'x'", "key filters.reports.templates given"),
        ("[names.reports]\nid = 'x'", "key names.reports given; allowed in names: organization, template"),
        ("[names.report]\nstaus = 'x'", "Did you mean 'status'?"),
        ("[write.request]\nreport_template = 'x'", "Did you mean 'template'?"),
        ("[write.update]\ncoment = 'x'", "key write.update.coment given; allowed in write.update: field_values, id,"),
        ({5: {}}, "key 5 given; allowed: paging"),
        # types
        ("paging = 1", "paging: 1 given; allowed: a table with the keys style, limit"),
        ("[paging]\nlimit = 1", "paging.limit: 1 given; allowed: text."),
        ("[names]\nreport = 'x'", "names.report: 'x' given; allowed: a table with the keys id,"),
        ({"names": ["x"]}, "names: ['x'] given; allowed: a table with the keys organization"),
        ("[names.report.status]\na = 'x'", "names.report.status: {'a': 'x'} given; allowed: text."),
        ("[words]\nstatus = 'x'", "words.status: 'x' given; allowed: a table of text."),
        ({"paths": {"reports": None}}, "paths.reports: None given; allowed: text."),
        *((f"[paging]\nmax = {n}", "a whole number from 1.") for n in ("0", "-1", "1.5", "true", "'5'", "nan")),
        # words
        ("[paging]\nstyle = 'pages'", "allowed: auto, offset, page, cursor, link, none. Did you mean 'page'?"),
        ("[values]\npoint = true", "values.point: True given; allowed: auto, decimal, group, unread."),
        ("[words.status]\nx = 'submited'", "words.status.x: 'submited' given; allowed: requested, in_progress,"),
        ("[words.request_status]\nx = 'submitted'", f"allowed: {', '.join(REQUEST_STATUSES)}."),
        ("[words.datatype]\n'a b' = 'number'", "words.datatype.\"a b\": 'number' given; allowed: decimal,"),
        ("[words.status]\nin.progress = 'in_progress'", "Quote a key that contains a point."),
        ("[words.status]\nDone = 'submitted'\ndone = 'accepted'", "words.status: 'Done, done' given; allowed: each"),
        ("[words.status]\n'' = 'submitted'", "words.status: '' given; allowed: keys that are text."),
        ({"words": {"status": {5: "submitted"}}}, "words.status: 5 given; allowed: keys that are text."),
        # empty text and names with points
        ("[paging]\noffset = ''", "paging.offset: '' given; allowed: text that is not empty."),
        ("[envelope]\nrows = ' '", "envelope.rows: ' ' given; allowed: text that is not empty."),
        *((f"[names.report]\nid = '{name}'", "names with a point between them.") for name in (".", "a.", ".a", "a..b")),
        ("[envelope]\nrows = 'data.'", "envelope.rows: 'data.' given; allowed: a name"),
        # syntax
        ("[paging]\nstyle 'page'", "(at line 2, column 7). Allowed: TOML, JSON, or the path"),
        ("[words.status]\ngeprüft = 'x'", "keys are, if they contain more than A-Z, a-z, 0-9, _ and -."),
        ("a = 1\na = 2", "not valid TOML: Cannot overwrite a value"),
        ('{"paging":\n 1,}', "not valid JSON: "),
        ('{"paging":\n x}', "line 2 column 2"),
        ('{"paging": {}, "paging": {}}', "not valid JSON: key 'paging' is given twice."),
        ("{" * 100_000, "not valid JSON: "),
        ("x = " + "[" * 100_000, "not valid TOML: "),
        *((text, "given; allowed: TOML, JSON, or the path or URL") for text in ("[]", '[{"paging": {}}]', "\ufeff[1]")),
        *((value, f"{value!r} given; allowed: TOML, JSON") for value in (5, None, True, ["paging"])),
        ("[paging]\nlimit = [" + "1, " * 500 + "]", "paging.limit: [1, 1,"),
    ],
    ids=str,
)  # fmt: skip
def test_errors(given, message):
    text = error_text(given)
    assert message in text
    assert len(text) < 1200


LISTS = ("organizations", "report_templates", "report_requests", "reports")
WITH_ID = ("sections", "field_types", "field_values", "attachment", "submit")


def test_paths_with_and_without_an_id():
    assert {*LISTS, *WITH_ID} == {each.name for each in fields(ASSUMED.paths)}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("path", ["x/{id}", "{id}", "x{", "}x", "{}", "/", "//"])
def test_path_of_a_list_has_no_braces(name, path):
    text = error_text({"paths": {name: path}})
    assert text.startswith(f"paths.{name}: {path!r} given; allowed: a path below the API path without braces, such as ")


@pytest.mark.parametrize("name", WITH_ID)
@pytest.mark.parametrize("path", ["x", "x/{value_id}", "x/{ID}", "x/{id}/{id", "x/{id}/{{value_id}}", "x/{id}/{other}"])
def test_path_of_a_record_has_its_id(name, path):
    assert "a path below the API path with {id}" in error_text({"paths": {name: path}})


def test_path_of_an_attachment_has_both_ids():
    assert (
        read_api({"paths": {"attachment": "values/{value_id}/of/{id}"}}, "x").paths.attachment
        == "values/{value_id}/of/{id}"
    )
    assert "with {id} and {value_id}, such as reports/{id}/" in error_text(
        {"paths": {"attachment": "reports/{id}/file"}}
    )


@pytest.mark.parametrize(
    "path",
    [
        "https://elsewhere.example/x", "//elsewhere.example/x", "mailto:x", "/https://elsewhere.example/x", "../x",
        "x/..", "x/../../y", "x/%2e%2e/y", "x%2f..%2fy", "x\\..\\y", "./x", "x?a=1", "a b", "a\tb", "a\nb",
        "\x00", "\u202ex",
    ],
)  # fmt: skip
@pytest.mark.parametrize("section", ["paths", "pages"])
def test_path_leads_to_no_other_place(section, path):
    assert f"{section}.reports: {path!r} given; allowed: a path below the " in error_text({section: {"reports": path}})


@pytest.mark.parametrize(
    ("given", "path"),
    [("/x/", "x/"), ("x/y", "x/y"), ("berichte-ä", "berichte-ä"), ("x..y", "x..y"), ("x/a:b", "x/a:b")],
)
def test_slash_at_the_end_of_a_path_is_kept(given, path):
    assert read_api({"paths": {"reports": given}}, "x").path("reports") == path


@pytest.mark.parametrize("page", ["app/#/reports", "/app/#/reports/"])
def test_page(page):
    assert read_api({"pages": {"reports": page}}, "x").pages.reports == "/app/#/reports"


def test_page_with_braces():
    assert "pages.reports: '/reports/{id}' given" in error_text({"pages": {"reports": "/reports/{id}"}})


def test_fields_of_a_request_are_the_columns_of_the_csv_upload():
    assert [{"report_template": "template"}.get(name, name) for name in COLUMNS] == [*REQUEST_FIELDS]


TEXTS = [
    "x",
    "a b",
    "ä",
    'say "x"',
    "back\\slash",
    "tab\t",
    "del\x7f",
    "line\nend\r",
    "nul\x00",
    "'",
    "#",
    "a=b",
    "😀",
    "1",
]


def random_api(dice):
    """Return an API that differs at random, in the form that a document results in."""

    def text(kind):
        if kind == "paths":
            return dice.choice(["a", "a/b/", "ä"])
        if kind == "pages":
            return dice.choice(["/a", "/a/b"])
        return dice.choice(TEXTS)

    def table(assumed, section=""):
        changes = {}
        for entry in fields(assumed):
            known, below = getattr(assumed, entry.name), section or entry.name
            if is_dataclass(known):
                changes[entry.name] = table(known, below)
            elif dice.random() < 0.5:
                continue
            elif entry.name == "style":
                changes[entry.name] = dice.choice(["page", "none"])
            elif entry.name == "point":
                changes[entry.name] = "group"
            elif entry.name == "max":
                changes[entry.name] = dice.randrange(1, 10**12)
            elif entry.name == "names":
                names = dice.sample(sorted(RECORDS), 3)
                changes[entry.name] = {name: {"id": text("")} if dice.random() < 0.9 else {} for name in names}
            elif "values" in entry.metadata:
                words = dice.sample(TEXTS, 3)
                changes[entry.name] = {word: dice.choice(entry.metadata["values"]) for word in words}
            elif "keys" in entry.metadata:
                changes[entry.name] = {key: text("") for key in dice.sample(entry.metadata["keys"], 3)}
            elif below == "filters" and dice.random() < 0.5:
                changes[entry.name] = None
            elif "{" not in str(known):
                changes[entry.name] = text(below)
        return replace(assumed, **changes)

    return table(ASSUMED)


@pytest.mark.parametrize("seed", range(200))
def test_text_of_an_api_can_be_read(seed):
    api = random_api(random.Random(seed))
    text = api_text(api)
    assert read_api(text, "x") == api
    assert api_text(read_api(text, "x")) == text
    assert pickle.loads(pickle.dumps(api)) == api


def test_text_has_only_what_differs_and_does_not_depend_on_the_order():
    given = Api(names={"report": {"status": "s", "id": "k"}, "field_type": {"id": "x.y"}}, paging=Paging(max=5))
    assert api_text(given) == (
        '[paging]\nmax = 5\n\n[names.field_type]\nid = "x.y"\n\n[names.report]\nid = "k"\nstatus = "s"\n'
    )
    turned = replace(given, names={"field_type": {"id": "x.y"}, "report": {"id": "k", "status": "s"}})
    assert api_text(turned) == api_text(given)


def test_text_of_a_filter_that_the_platform_does_not_have():
    api = read_api("[filters.reports]\nstatus = ''", "x")
    assert api_text(api) == '[filters.reports]\nstatus = ""\n'
    assert api != ASSUMED
    assert api.filters != Filters()


def test_schema_is_valid_and_accepts_what_is_valid():
    schema = api_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(PARSED, schema)
    jsonschema.validate({}, schema)
    assert json.loads(json.dumps(schema)) == schema == api_schema()
    assert schema["properties"]["paging"]["properties"]["limit"] == {
        "description": "Query parameter for the number of rows, with `offset`. (Source: default.)",
        "default": "limit",
        "type": "string",
        "pattern": r"\S",
    }


@pytest.mark.parametrize(
    "document",
    [
        {"pagin": {}},
        {"paging": 1},
        {"paging": {"ofset": "x"}},
        {"paging": {"style": "pages"}},
        {"paging": {"max": 0}},
        {"paging": {"limit": " "}},
        {"envelope": {"rows": ""}},
        {"filters": {"report-requests": {}}},
        {"names": {"reports": {}}},
        {"names": {"report": {"staus": "x"}}},
        {"words": {"status": {"x": "submited"}}},
        {"write": {"request": {"report_template": "x"}}},
        [],
    ],
)
def test_schema_rejects_what_is_not_valid(document):
    error_text(document)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, api_schema())


def test_example_of_the_docs():
    page = (Path(__file__).parents[1] / "docs" / "your-platform.md").read_text()
    (example,) = re.findall(r"^```toml\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    api = read_api(example, "x")
    assert read_api(api_text(api), "x") == api
    jsonschema.validate(tomllib.loads(example), api_schema())


def test_every_key_has_a_description_and_a_source():
    def check(table):
        assert table.__doc__
        for entry in fields(table):
            if is_dataclass(below := getattr(table, entry.name)):
                check(below)
            else:
                assert entry.metadata["doc"].endswith(".")
                assert entry.metadata["source"] in ("known", "2023", "default", "assumed")

    check(ASSUMED)


def test_api_is_equal_in_another_process(tmp_path):
    (tmp_path / "api.pickle").write_bytes(pickle.dumps(read_api(TOML, "x")))
    (tmp_path / "api.toml").write_text(TOML, encoding="utf-8")
    code = """
import pickle, sys
from pathlib import Path
from airflow_provider_openesg.api_document import load_api
folder = Path(sys.argv[1])
assert pickle.loads((folder / "api.pickle").read_bytes()) == load_api(str(folder / "api.toml"), "x")
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, cwd=Path(__file__).parents[1])


@pytest.mark.parametrize(
    "text", ["{}", "[paging]\nmax = 5", "paging.max = 5", "paging = {max = 5}", "\ufeff{}", "[paging]", {}]
)
def test_document_is_not_read_from_a_file(text):
    load_api(text, "x", read_file=lambda path: pytest.fail(path))


@pytest.mark.parametrize("path", ["/etc/x.toml", "x", " s3://bucket/site=north/api.toml\n", "C:\\x.json"])
def test_path_or_url_of_a_file(path):
    read = []
    api = load_api(path, "x", read_file=lambda given: read.append(given) or TOML)
    assert (api, read) == (read_api(TOML, "x"), [path.strip()])


def test_error_in_a_file_names_the_file(tmp_path):
    path = tmp_path / "api.toml"
    path.write_text("\ufeff[pagin]", encoding="utf-8")
    with pytest.raises(OpenESGConfigError, match=f"^Connection extra api, file {path}: key pagin given"):
        load_api(str(path), "Connection extra api")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file"),
        (b"\xff", "'utf-8' codec can't decode"),
        (b"#" * (MAX_BYTES + 1), "larger than 1048576 bytes"),
    ],
)
def test_file_that_cannot_be_read(tmp_path, content, reason):
    path = tmp_path / "api.toml"
    if content is not None:
        path.write_bytes(content)
    text = error_text(str(path), load_api)
    assert text.startswith(f"the file '{path}' cannot be read ({reason}")
    assert "It must be readable on all workers and the triggerer." in text


def test_largest_file(tmp_path):
    (tmp_path / "x").write_bytes(b"#" * MAX_BYTES)
    assert read_document(tmp_path / "x") == "#" * MAX_BYTES


def test_error_of_an_object_store_shows_no_password():
    def read_file(path):
        raise RuntimeError

    text = error_text("https://user:hunter22@host/x?signature=hunter22", load_api, read_file=read_file)
    assert "hunter22" not in text
    assert "'https://***@host/x' cannot be read (RuntimeError)" in text
