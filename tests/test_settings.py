"""Settings from Connections in all notations."""

import json
import pickle

import pytest

from airflow_provider_openesg.api import ASSUMED
from airflow_provider_openesg.exceptions import OpenESGConfigError
from airflow_provider_openesg.settings import DEFAULT_BASE_URL, FIELDS, OpenESGSettings, is_loopback

SECRET = "s3cr3t/%:@+ ä&="


def settings(host="https://esg.example", login="client-1", password=SECRET, extra=None, **others):
    return OpenESGSettings.from_connection(host=host, login=login, password=password, extra=extra, **others)


def error_text(**given):
    with pytest.raises(OpenESGConfigError) as caught:
        settings(**given)
    assert SECRET not in str(caught.value)
    return str(caught.value)


def test_defaults():
    got = settings(host=None)
    assert (got.base_url, got.token_url, got.api_url) == (
        DEFAULT_BASE_URL,
        "https://app.openesg.de/o/token/",
        "https://app.openesg.de/api/v1",
    )
    assert (got.scope, got.client_auth, got.timeout, got.max_retry_time) == (None, "header", 30, 300)
    assert (got.parallel_requests, got.requests_per_second, got.page_size) == (4, None, 100)
    assert (got.verify, got.proxies) == (True, None)


@pytest.mark.parametrize("empty", [None, "", "  "])
def test_nulls_and_empty_strings_count_as_unset(empty):
    assert settings(extra=dict.fromkeys(FIELDS, empty)) == settings() == settings(extra=None) == settings(extra={})
    assert settings(host=empty).base_url == DEFAULT_BASE_URL
    assert settings(schema=empty, port=None) == settings()


def test_strings_are_coerced():
    typed = {
        "timeout": 15,
        "max_retry_time": 0.5,
        "parallel_requests": 8,
        "requests_per_second": 2.5,
        "page_size": 50,
        "verify_tls": False,
    }
    text = {name: f" {value} " for name, value in typed.items()}
    assert settings(extra=text) == settings(extra=typed)
    assert settings(extra=text).verify is False
    assert isinstance(settings(extra={"page_size": 50.0}).page_size, int)


@pytest.mark.parametrize(
    ("host", "base_url"),
    [
        ("demo.openesg.de", "https://demo.openesg.de"),
        (" https://demo.openesg.de/ ", "https://demo.openesg.de"),
        ("HTTPS://Demo.OpenESG.de", "https://demo.openesg.de"),
        ("https://esg.example/Path/", "https://esg.example/Path"),
        ("esg.example:8443", "https://esg.example:8443"),
        ("http://127.0.0.1:8085", "http://127.0.0.1:8085"),
        ("http://localhost:8085", "http://localhost:8085"),
        ("http://[::1]:8085/", "http://[::1]:8085"),
        ("[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ("2001:db8::1", "https://[2001:db8::1]"),
    ],
)
def test_base_url(host, base_url):
    got = settings(host=host)
    assert got.base_url == base_url
    assert got.token_url == base_url + "/o/token/"
    assert got.api_url == base_url + "/api/v1"


@pytest.mark.parametrize(
    ("given", "base_url"),
    [
        ({"host": "esg.example", "port": 8443}, "https://esg.example:8443"),
        ({"host": "127.0.0.1", "port": 8085, "schema": "http"}, "http://127.0.0.1:8085"),
        ({"host": "::1", "port": 8085, "schema": "HTTP"}, "http://[::1]:8085"),
        ({"host": "https://esg.example:1", "port": 2}, "https://esg.example:1"),
        ({"host": "https://esg.example", "schema": "http"}, "https://esg.example"),
    ],
)
def test_port_and_scheme_may_be_separate_fields(given, base_url):
    assert settings(**given).base_url == base_url


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("http://esg.example", "plain http, which would send the secret unencrypted"),
        ("http://10.0.0.1", "plain http"),
        ("http://localhost.esg.example", "plain http"),
        ("ftp://esg.example", "scheme 'ftp' in 'ftp://esg.example'; allowed: https"),
        ("https://", "is not a URL"),
        ("https://esg example", "is not a URL"),
        ("https://esg.example\\.elsewhere.example", "is not a URL"),
        ("https://esg.example:99999", "is not a URL (host or port)"),
        ("https://[::1", "is not a URL (host or port)"),
        ("https://esg.example?x=1", "has a query or fragment"),
        ("https://esg.example/#x", "has a query or fragment"),
    ],
)
def test_invalid_hosts_are_an_error(host, message):
    text = error_text(host=host)
    assert text.startswith("Base URL (host): ")
    assert message in text


@pytest.mark.parametrize(
    "url",
    [
        "https://id:hunter22@esg.example",
        "https://hunter22@esg.example",
        "https://id:hunter22",
        "https://id:hunter22/x",
        "https://id:hunter22@esg.example:port",
        "https://id:hunter/22hunter22@esg.example",
        "https://id:hun?hunter22@esg.example",
        "https://esg.example:hunter22",
        "https://esg.example?password=hunter22",
        "http://id:hunter22@esg.example",
        "ftp://id:hunter22@esg.example",
        "https://id:hunter22@[::1",
        "id:hunter22@esg.example",
        "id:hunter22",
    ],
)
@pytest.mark.parametrize("field", ["host", "auth_url"])
def test_credentials_in_a_url_are_not_in_the_error(url, field):
    if field == "auth_url" and url == "https://esg.example?password=hunter22":
        return  # an endpoint may have a query
    text = error_text(host=url) if field == "host" else error_text(extra={"auth_url": url})
    assert "hunter22" not in text
    assert field in text


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("timeout", "soon", "a number from 1 to 3600"),
        ("timeout", 0, "a number from 1 to 3600"),
        ("timeout", True, "a number from 1 to 3600"),
        ("timeout", "nan", "a number from 1 to 3600"),
        ("parallel_requests", 33, "an integer from 1 to 32"),
        ("parallel_requests", 2.5, "an integer from 1 to 32"),
        ("page_size", 1, "an integer from 2 to 10000"),
        ("requests_per_second", 0, "a number from 0.01"),
        ("requests_per_second", [1], "a number from 0.01"),
        ("verify_tls", "maybe", "true or false"),
        ("client_auth", "cookie", "header or body"),
        ("scope", 5, "text"),
        ("api_path", {}, "text"),
    ],
)
def test_invalid_value_is_an_error(name, value, allowed):
    text = error_text(extra={name: value})
    assert f"{FIELDS[name].label} ({name}): {value!r} given; allowed: {allowed}." in text


def test_missing_field_is_an_error():
    assert "Client ID (login): not set" in error_text(login=None)
    assert "Client ID (login): not set" in error_text(login="  ")
    assert "Client secret (password): not set" in error_text(password="\n")


def test_error_of_an_unknown_field_lists_the_known_ones():
    text = error_text(extra={"token_url": "x", "timout": 1})
    assert "'timout', 'token_url'" in text
    assert "timeout" in text


def test_surrounding_white_space_is_removed():
    assert settings(login=" client-1\n", password=f"\t{SECRET}\r\n") == settings()


def test_id_of_digits_may_be_a_number():
    assert settings(login=12345, password=67890).client_id == "12345"
    assert settings(login="12345", password=67890).client_secret == "67890"


def test_other_fields():
    got = settings(
        extra={
            "scope": " read ",
            "client_auth": "BODY",
            "auth_url": "https://login.esg.example/token",
            "api_path": "api/v2/",
            "ca_bundle": "/etc/ca.pem",
        }
    )
    assert (got.scope, got.client_auth, got.token_url) == ("read", "body", "https://login.esg.example/token")
    assert (got.api_url, got.verify) == ("https://esg.example/api/v2", "/etc/ca.pem")
    assert settings(extra={"api_path": "/"}).api_url == "https://esg.example"
    assert settings(extra={"ca_bundle": "/etc/ca.pem", "verify_tls": "no"}).verify is False


@pytest.mark.parametrize(
    "proxies",
    [{"https": "http://u:p@proxy:3128"}, '{"https": "http://u:p@proxy:3128"}', ' {"https":"http://u:p@proxy:3128"}'],
)
def test_proxies_by_scheme(proxies):
    assert settings(extra={"proxies": proxies}).proxies == {"https": "http://u:p@proxy:3128"}


def test_one_proxy_for_all_schemes():
    assert settings(extra={"proxies": "http://proxy:3128"}).proxies == {
        "http": "http://proxy:3128",
        "https": "http://proxy:3128",
    }


@pytest.mark.parametrize(
    "proxies", ['{"https": "http://u:hunter22@', '{"https": 5, "x": "hunter22"}', {"https": None}, ["hunter22"]]
)
def test_invalid_proxies_are_an_error(proxies):
    text = error_text(extra={"proxies": proxies})
    assert "Proxies (proxies): not valid; allowed: a proxy URL" in text
    assert "hunter22" not in text


def test_neither_secret_nor_proxy_password_is_shown():
    got = settings(extra={"proxies": "http://u:hunter22@proxy"})
    for text in (repr(got), str(got), json.dumps(str(vars(type(got))))):
        assert SECRET not in text
        assert "hunter22" not in text


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1"])
def test_loopback(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "localhost.example", "::2", ""])
def test_not_loopback(host):
    assert not is_loopback(host)


def test_api_is_as_assumed_by_default():
    assert settings().api is ASSUMED
    assert settings(api=" ", extra={"api": " "}).api is ASSUMED
    assert settings().strict is False
    assert settings(extra={"strict": "yes"}).strict is True


@pytest.mark.parametrize("given", ["[paging]\nmax = 5\n", '{"paging": {"max": 5}}', {"paging": {"max": 5}}])
def test_api_differences(given):
    got = settings(extra={"api": given})
    assert got.api.paging.max == 5
    assert got == settings(api=given if isinstance(given, str) else json.dumps(given))
    assert pickle.loads(pickle.dumps(got)) == got != settings()


def test_the_connection_has_priority_over_the_option_of_airflow(tmp_path):
    path = tmp_path / "api.toml"
    path.write_text("paging.max = 5")
    assert settings(api=str(path)).api.paging.max == 5
    assert settings(api=str(path), extra={"api": "paging.max = 6"}).api.paging.max == 6
    assert settings(api=str(path), extra={"api": {}}).api == ASSUMED
    assert (
        settings(extra={"api": "s3://x"}, read_file=lambda path: f"paging.limit = '{path}'").api.paging.limit
        == "s3://x"
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"extra": {"api": "paging.max = 0"}}, "Connection extra api: paging.max: 0 given; allowed: a whole number"),
        ({"extra": {"api": [5]}}, "Connection extra api: [5] given; allowed: TOML, JSON"),
        ({"extra": {"api": 5}}, "Connection extra api: 5 given; allowed: TOML, JSON"),
        ({"extra": {"api": "/no/such"}}, "Connection extra api: the file '/no/such' cannot be read (No such file"),
        ({"api": "paging.max = 0"}, "Airflow option [openesg] api: paging.max: 0 given"),
        ({"api": "/no/such"}, "Airflow option [openesg] api: the file '/no/such' cannot be read (No such file"),
    ],
)
def test_invalid_api_differences_are_an_error(given, message):
    assert error_text(**given).startswith(message)
