"""What the values of settings have to be like: a bad one is named, and a secret one never shown."""

import pytest

from app.config.loading import SettingsError, load_settings
from app.config.values import LONGEST_SPAN_SECONDS
from app.db.url import async_database_url
from tests.config.conftest import GOOD


@pytest.mark.parametrize("name", ["PUBLIC_URL", "CLOUDPRESS_BASE_URL"])
@pytest.mark.parametrize(
    "path", ["/%0d%0aSet-Cookie:%20a=b", "/a/../b", "/%2e%2e", "/a/%2E/b", "/%00", "//elsewhere", "/%ff"]
)
def test_a_path_that_leads_elsewhere_stops_the_start(
    environment: pytest.MonkeyPatch, name: str, path: str
) -> None:
    """Also where its letters are spelled out."""
    environment.setenv(name, f"https://host.example{path}")
    with pytest.raises(SettingsError, match=f"^{name}: must not hold control characters, dot segments"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("DATABASE_URL", "mysql://user:s3cr3t@host/db", "only the two databases"),
        ("DATABASE_URL", "s3cr3t", "not a URL"),
        ("DATABASE_URL", "sqlite://", "several connections need one file"),
        ("DATABASE_URL", "postgresql://user:s3cr3t@host/db?foo=1", "an option that PostgreSQL does not know"),
        ("DATABASE_URL", "postgresql://user:s3cr3t@host/db?options=-c%20x&ssl=s3cr3t", "nor this one"),
        ("PUBLIC_URL", "presshook.example", "no scheme"),
        ("PUBLIC_URL", "https://presshook.example:abc", "a port is a number"),
        ("PUBLIC_URL", "https://presshook.example:99999", "no such port"),
        ("PUBLIC_URL", "https://press hook.example", "no host is called that"),
        ("PUBLIC_URL", "https://[::1", "half an address"),
        ("PUBLIC_URL", "https://user:s3cr3t@presshook.example", "a user in it"),
        ("CLOUDPRESS_BASE_URL", "ftp://app.cloudpress.example", "not http"),
        ("CLOUDPRESS_BASE_URL", "https://user:s3cr3t@app.cloudpress.example", "a user in it"),
        ("CLOUDPRESS_API_TOKEN", "s3cr3t\nheader: x", "it could not be a header"),
        ("CLOUDPRESS_ACCOUNT_ID", "ä", "it could not be a header"),
        ("API_KEY", "s3cr3t key", "it could not be a header"),
        ("SECRET_KEY", "s3cr3t", "too short to be one"),
        ("SECRET_KEY", f"{GOOD['SECRET_KEY']},s3cr3t", "each of them has to be long enough"),
        ("CALLBACK_WAIT_SECONDS", "0", "a positive number"),
        ("LEASE_SECONDS", "-1", "a positive number"),
        ("LEASE_SECONDS", "nan", "a number"),
        ("UPSTREAM_TIMEOUT_SECONDS", "inf", "a finite number"),
        ("UPSTREAM_TIMEOUT_SECONDS", "60", "a request may not outlive the lease"),
        ("PLACEMENT_GRACE_SECONDS", "soon", "a number"),
        ("PLACING", "maybe", "on or off"),
        ("ACCOUNT_CONCURRENCY", "0", "nothing would ever be asked"),
        ("DASHBOARD", "maybe", "on or off"),
        ("BRAND_NAME", "s3cr3t\u202e", "it would be read backwards"),
        ("BRAND_COLOR", "red;}", "it would be a style of its own"),
        ("BRAND_LOGO_URL", "http://shop.example/logo.svg", "not https"),
        ("BRAND_LOGO_URL", "https://shop.example/logo.svg;x", "it would end a policy"),
        ("BRAND_LOGO_URL", "https://shop.example,elsewhere.example/logo.svg", "it would be two policies"),
        ("BRAND_LOGO_URL", "https://shop.example other.example/logo.svg", "it would be two hosts"),
        ("BRAND_LOGO_URL", "https://shop.example\u00a0/logo.svg", "it would be a blank"),
        ("BRAND_LOGO_URL", "https://*/logo.svg", "it would be every host"),
        ("BRAND_LOGO_URL", "https://*.example/logo.svg", "it would be many hosts"),
        ("BRAND_LOGO_URL", "https://sh\u00f6p.example/logo.svg", "no header holds it"),
        ("CLOUDPRESS_ACCOUNT_ID", "a" * 256, "longer than an account's id is"),
    ],
)
def test_a_malformed_setting_is_named_in_one_line_without_its_value(
    environment: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value).startswith(f"{name}"), reason
    assert "\n" not in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example/logo.svg",
        "https://cdn.shop-1.example:8443/w_100,h_50/*/logo.svg",
        "https://[2001:db8::1]:8443/logo.svg",
    ],
)
def test_a_logo_s_host_is_plain_and_its_path_is_any(environment: pytest.MonkeyPatch, url: str) -> None:
    """The host alone stands in a policy."""
    environment.setenv("BRAND_LOGO_URL", url)
    environment.setenv("CLOUDPRESS_ACCOUNT_ID", "a" * 255)
    assert load_settings().brand_logo_url == url


@pytest.mark.parametrize("url", ["https://presshook.example:8443/hooks/", " https://[::1]:8000 "])
def test_a_public_url_may_have_a_port_and_a_path(environment: pytest.MonkeyPatch, url: str) -> None:
    environment.setenv("PUBLIC_URL", url)
    assert load_settings().public_url == url.strip().rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:s3cr3t@host:5432/db?sslmode=require&application_name=presshook",
        "postgresql:///db?host=/var/run/postgresql",
        "postgres://user@/db?host=one:5432&host=other:5432&target_session_attrs=read-write",
    ],
)
def test_what_postgresql_knows_is_taken(environment: pytest.MonkeyPatch, url: str) -> None:
    environment.setenv("DATABASE_URL", url)
    assert load_settings().database.query.keys() == async_database_url(url).query.keys()


@pytest.mark.parametrize("name", ["CALLBACK_WAIT_SECONDS", "LEASE_SECONDS", "PLACEMENT_GRACE_SECONDS"])
def test_a_span_of_more_than_a_hundred_years_is_a_hundred_years(
    environment: pytest.MonkeyPatch, name: str
) -> None:
    environment.setenv(name, "1e300")
    assert getattr(load_settings(), name.lower()) == LONGEST_SPAN_SECONDS


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:///presshook.db", "sqlite+aiosqlite"),
        ("postgresql://host/db", "postgresql+psycopg"),
        ("postgres://host/db", "postgresql+psycopg"),
    ],
)
def test_the_url_alone_chooses_the_driver(url: str, driver: str) -> None:
    assert async_database_url(url).drivername == driver


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("https://Shop.Example.com", "https://shop.example.com"),
        ("HTTPS://shop.example.com", "https://shop.example.com"),
        ("https://shop.example.com:443", "https://shop.example.com"),
        ("http://shop.example.com:80", "http://shop.example.com"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("http://[2001:DB8::0001]:3000", "http://[2001:db8::1]:3000"),
        ("http://[0:0:0:0:0:0:0:1]", "http://[::1]"),
        ("http://[::ffff:127.0.0.1]", "http://[::ffff:7f00:1]"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("https://1.example", "https://1.example"),
        ("https://my_shop-1.example.", "https://my_shop-1.example."),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
    ],
)
def test_an_origin_is_taken_as_browsers_send_it(
    environment: pytest.MonkeyPatch, written: str, sent: str
) -> None:
    environment.setenv("CORS_ORIGINS", f"{written} , https://other.example")
    assert load_settings().origins == (sent, "https://other.example")


@pytest.mark.parametrize(
    "written",
    [
        "*",
        "shop.example.com",
        "ftp://shop.example.com",
        "https://",
        "https:shop.example.com",
        "https://shop.example.com/",
        "https://shop.example.com?x=1",
        "https://shop.example.com#x",
        "https://me@shop.example.com",
        "https://shop.example.com:port",
        "https://shop.example.com:99999",
        "https://shop .example.com",
        "https://a.example https://b.example",
        "https://a.example,",
        "https://*.example.com",
        "https://a;b.example",
        "https://ex%41mple.com",
        "https://a..example",
        "https://.example",
        "https://-a.example",
        "https://a-.example",
        f"https://{'a' * 64}.example",
        "http://127.1:3000",
        "http://0x7f.1",
        "http://017.0.0.1",
        "http://2130706433",
        "http://256.1.1.1",
        "http://127.0.0.1.",
        "https://shop.0x",
        "http://[fe80::1%25eth0]",
    ],
)
def test_what_no_browser_sends_as_its_origin_is_refused(
    environment: pytest.MonkeyPatch, written: str
) -> None:
    environment.setenv("CORS_ORIGINS", written)
    with pytest.raises(SettingsError, match=r"^CORS_ORIGINS: must be origins such as"):
        load_settings()


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("https://*.example.com", "wildcards are not taken, so each is written out$"),
        ("http://127.1", "addresses are written as 192.0.2.1, in four decimal numbers$"),
    ],
)
def test_an_origin_that_is_refused_is_told_how_it_is_written(
    environment: pytest.MonkeyPatch, written: str, told: str
) -> None:
    environment.setenv("CORS_ORIGINS", f"https://shop.example.com,{written}")
    with pytest.raises(SettingsError, match=rf"^CORS_ORIGINS: must be origins .*: {told}"):
        load_settings()
