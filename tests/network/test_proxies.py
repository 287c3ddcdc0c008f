"""Which proxy a request takes, by variables that are inherited and may hold anything."""

# ruff: noqa: E501 - the tables read by their lines

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import app
from app.network import NetworkSettingsError, Proxy, proxy_for

PROXY = Proxy("http", "proxy", 3128)
OURS = "https://app.cloudpress.example"


@pytest.mark.parametrize(
    ("environment", "expected", "reason"),
    [
        ({}, None, "none is named"),
        ({"HTTPS_PROXY": "http://proxy:3128"}, PROXY, "as curl has it"),
        ({"https_proxy": "http://proxy:3128"}, PROXY, "in lower case"),
        ({"https_proxy": "proxy:3128", "HTTPS_PROXY": "http://other"}, PROXY, "the lower case first, no scheme"),
        ({"HTTP_PROXY": "http://proxy:3128"}, None, "that is for http"),
        ({"ALL_PROXY": "http://proxy:3128"}, PROXY, "for all"),
        ({"ALL_PROXY": "socks5://other", "HTTPS_PROXY": "http://proxy:3128"}, PROXY, "the nearer one"),
        ({"HTTPS_PROXY": ""}, None, "an empty one is none"),
        ({"HTTPS_PROXY": " http://proxy:3128/ "}, PROXY, "white space around it"),
        ({"HTTPS_PROXY": "https://proxy"}, Proxy("https", "proxy", 443), "over https"),
        ({"HTTPS_PROXY": "http://[::1]:8080"}, Proxy("http", "::1", 8080), "IPv6"),
        ({"HTTPS_PROXY": "http://u:p%40ss@proxy:3128"}, Proxy("http", "proxy", 3128, ("u", "p@ss")), "signed in"),
    ],
)  # fmt: skip
def test_the_proxy(environment: dict[str, str], expected: Proxy | None, reason: str) -> None:
    assert proxy_for(OURS, environment) == expected, reason


@pytest.mark.parametrize(
    ("host", "no_proxy", "is_excepted", "reason"),
    [
        ("app.cloudpress.example", "app.cloudpress.example", True, "the name"),
        ("app.cloudpress.example", "CloudPress.Example", True, "a domain, in any letter case"),
        ("app.cloudpress.example", ".cloudpress.example", True, "with a dot before it"),
        ("app.cloudpress.example", "*.cloudpress.example", True, "with a star before it"),
        ("app.cloudpress.example", "press.example", False, "a name that only ends like it"),
        ("app.cloudpress.example", "a, b ,app.cloudpress.example", True, "one of several"),
        ("app.cloudpress.example", "a b app.cloudpress.example", True, "white space between"),
        ("app.cloudpress.example", "*", True, "all"),
        ("app.cloudpress.example", "app.cloudpress.example:443", True, "with its port"),
        ("app.cloudpress.example", "app.cloudpress.example:8443", False, "with another port"),
        ("app.cloudpress.example", "10.0.0.0/8,::1,[fe80::1],fe80::/10", False, "addresses are no names"),
        ("app.cloudpress.example", ",, ,.,*.,:,[,]:x,/,::/999,\u2028", False, "rubbish covers nothing"),
        ("10.1.2.3", "10.0.0.0/8", True, "a network"),
        ("10.1.2.3", "10.0.0.1/8", True, "a network with an address in it"),
        ("11.1.2.3", "10.0.0.0/8", False, "another network"),
        ("10.1.2.3", "10.1.2.3", True, "an address"),
        ("10.1.2.3", "10.1.2.3:443", True, "an address with its port"),
        ("10.1.2.3", "10.1.2.3:80", False, "an address with another port"),
        ("[2001:db8::1]", "2001:db8::1", True, "IPv6"),
        ("[2001:db8::1]", "[2001:db8::1]", True, "IPv6 in brackets"),
        ("[2001:db8::1]", "[2001:db8::1]:443", True, "IPv6 with its port"),
        ("[2001:db8::1]", "[2001:db8::1]:80", False, "IPv6 with another port"),
        ("[2001:db8::1]", "2001:DB8:0::1", True, "IPv6 in another spelling"),
        ("[2001:db8::1]", "2001:db8::/32", True, "a network of IPv6"),
        ("[2001:db8::1]", "10.0.0.0/8", False, "a network of another kind"),
        ("127.0.0.1", "", True, "this machine, whatever the variables say"),
        ("[::1]", "", True, "this machine"),
        ("localhost", "", True, "this machine"),
    ],
)  # fmt: skip
def test_what_no_proxy_covers(host: str, no_proxy: str, *, is_excepted: bool, reason: str) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        environment = {"HTTPS_PROXY": "http://proxy:3128", name: no_proxy}
        assert (proxy_for(f"https://{host}/api", environment) is None) is is_excepted, reason


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:1080"),
        ("all_proxy", "socks5h://u:s3cr3t@127.0.0.1:1080"),
        ("HTTPS_PROXY", "socks://127.0.0.1"),
        ("HTTPS_PROXY", "ftp://u:s3cr3t@127.0.0.1"),
        ("HTTPS_PROXY", "s3cr3t://"),
        ("HTTPS_PROXY", "http://u:s3cr3t@[::1"),
        ("HTTPS_PROXY", "http://u:s3cr3t@proxy:port"),
        ("HTTPS_PROXY", "http://u:s3cr3t@proxy:0"),
        ("HTTPS_PROXY", "http://u:s3cr3t@"),
        ("HTTPS_PROXY", "http://u:s3cr3t@a b"),
        ("HTTPS_PROXY", "http://u:s3cr3t\u00e9@proxy"),
        ("HTTPS_PROXY", "http://u:s3cr3t%0d%0a@proxy"),
        ("HTTPS_PROXY", f"http://{'s3cr3t' * 20}"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named_in_one_line(variable: str, value: str) -> None:
    with pytest.raises(NetworkSettingsError) as caught:
        proxy_for(OURS, {variable: value})
    told = str(caught.value)
    assert told.startswith(f"{variable}: ")
    assert "\n" not in told
    assert "s3cr3t" not in told
    assert caught.value.__cause__ is None
    assert proxy_for(OURS, {variable: value, "NO_PROXY": "cloudpress.example"}) is None, "it is not asked for"


def test_a_proxy_shows_no_password() -> None:
    proxy = proxy_for(OURS, {"HTTPS_PROXY": "http://u:s3cr3t@proxy:3128"})
    assert proxy is not None
    assert "s3cr3t" not in repr(proxy) + proxy.url


CLIENTS = {"Client", "AsyncClient"}
AT_ONCE = {"request", "get", "post", "put", "patch", "delete", "head", "options", "stream", "urlopen"}


def clients(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Yield what opens a client of httpx or urllib, or asks without one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = ast.unparse(node.func.value)
            if owner in {"httpx", "urllib.request"} and node.func.attr in CLIENTS | AT_ONCE:
                yield node.func.attr, node


def test_no_client_of_ours_follows_the_environment_by_itself() -> None:
    """`proxy_for` says where a proxy is asked: never for this machine. httpx would ask it for that as well."""
    found = 0
    for file in sorted(Path(app.__path__[0]).rglob("*.py")):
        for name, call in clients(ast.parse(file.read_text())):
            given = {each.arg: ast.unparse(each.value) for each in call.keywords}
            assert name in CLIENTS, f"{file.name}:{call.lineno}: {name}"
            assert given.get("trust_env") == "False", f"{file.name}:{call.lineno}"
            found += 1
    assert found >= 3
