"""Signing in: who is let in, what the browser keeps, how long, and what it is good for."""

from datetime import UTC, datetime

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from app.api import auth
from app.api.middleware.guessing import BURST
from app.dashboard.routes import signing_in
from app.dashboard.routes.signing_in import way_on
from app.events.timeline import Actor
from app.keys.authentication import KeyRefusedError
from app.keys.changing import revoke_key, rotate_key
from app.main import Service, create_app
from tests.dashboard.conftest import HERE, browser_of, new_key, stored_order
from tests.settings import API_KEY, make_settings

BY = Actor("tests")
PUBLIC = "https://presshook.test"


async def test_who_has_not_signed_in_is_asked_to_and_comes_back_to_the_page(service: Service) -> None:
    async with browser_of(service) as browser:
        asked = await browser.get("/ui/orders?status=failed")
        assert asked.status_code == 303
        assert asked.headers["location"] == "/ui/sign-in?next=%2Fui%2Forders%3Fstatus%3Dfailed"
        form = await browser.get(asked.headers["location"])
        assert 'value="/ui/orders?status=failed"' in form.text
        signed_in = await browser.post(
            "/ui/sign-in", data={"key": API_KEY, "next": "/ui/orders?status=failed"}
        )
        assert signed_in.headers["location"] == "/ui/orders?status=failed"
        assert (await browser.get("/ui/orders")).status_code == 200


async def test_on_loopback_the_cookie_has_no_prefix_and_elsewhere_it_has(service: Service) -> None:
    async with browser_of(service) as browser:
        answer = await browser.post("/ui/sign-in", data={"key": API_KEY})
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("presshook-8000=")
        assert "secure" not in cookie.lower()
    async with browser_of(service, url=PUBLIC) as browser:
        answer = await browser.post("/ui/sign-in", data={"key": API_KEY})
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-presshook=")
        assert "; Secure" in cookie
        assert "domain" not in cookie.lower()
    for part in ("HttpOnly", "SameSite=strict", "Max-Age=43200", "Path=/"):
        assert part.lower() in cookie.lower()
    assert API_KEY not in cookie


async def test_behind_a_proxy_that_does_not_say_so_public_url_says_that_it_is_https(
    database_url: str,
) -> None:
    service = Service(make_settings(database_url, public_url=PUBLIC))
    async with browser_of(service, url="http://presshook.test") as browser:
        answer = await browser.post("/ui/sign-in", data={"key": API_KEY}, headers={"Origin": PUBLIC})
        assert answer.headers["set-cookie"].startswith("__Host-presshook=")


PROXIED = pytest.mark.parametrize(
    "said",
    [
        {"X-Forwarded-For": "203.0.113.5", "X-Forwarded-Proto": "https"},
        {"X-Forwarded-Host": "presshook.test"},
        {"Forwarded": "for=203.0.113.5;proto=https"},
        {"Via": "1.1 proxy"},
        {"X-Real-IP": "203.0.113.5"},
    ],
    ids=" ".join,
)


@PROXIED
async def test_a_proxy_that_asks_for_this_machine_is_no_browser_on_it(
    database_url: str, said: dict[str, str]
) -> None:
    """nginx asks for `127.0.0.1:8000` by itself, and the cookie had no prefix and was not `Secure`."""
    service = Service(make_settings(database_url, public_url=PUBLIC))
    async with browser_of(service) as browser:
        headers = {"Origin": PUBLIC, "Sec-Fetch-Site": "same-origin", **said}
        answer = await browser.post("/ui/sign-in", data={"key": API_KEY}, headers=headers)
        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith("__Host-presshook=")
        assert "; Secure" in cookie


@PROXIED
async def test_through_a_proxy_a_link_signs_in_nobody(service: Service, said: dict[str, str]) -> None:
    """What is in the open where `PUBLIC_URL` does not say https, and no link for this machine's own user."""
    async with browser_of(service) as browser:
        app = browser._transport.app  # type: ignore[attr-defined]
        link = app.state.desk.sessions.link_once(API_KEY)
        assert "Set-Cookie" not in (await browser.get(link, headers=said)).headers
        assert "Use https" in (await browser.get("/ui/sign-in", headers=said)).text


async def test_over_plain_http_from_elsewhere_nobody_is_asked_for_a_key(service: Service) -> None:
    async with browser_of(service, url="http://192.0.2.7:8000") as browser:
        assert "Use https" in (await browser.get("/ui/sign-in")).text
        answer = await browser.post("/ui/sign-in", data={"key": API_KEY})
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


async def test_a_wrong_key_is_not_let_in_and_not_repeated(service: Service) -> None:
    async with browser_of(service) as browser:
        for key in ("wrong", "phk_wrong", f"{API_KEY}x", "\x00", "ä" * 3000):
            answer = await browser.post("/ui/sign-in", data={"key": key})
            assert answer.status_code == 401
            assert "not let in" in answer.text
            assert key not in answer.text
            assert "set-cookie" not in answer.headers


async def test_wrong_keys_wait_and_a_right_one_does_not(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    async def sleep(_scope: Scope, seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(signing_in, "hold_back", sleep)
    async with browser_of(service) as browser:
        for _ in range(BURST + 3):
            await browser.post("/ui/sign-in", data={"key": "wrong"})
        assert slept == pytest.approx([1, 2, 3], abs=0.9)
        assert (await browser.post("/ui/sign-in", data={"key": API_KEY})).status_code == 303
        assert len(slept) == 3
    assert auth.hold_back is not sleep


async def test_a_key_that_is_revoked_is_out_at_the_next_request(service: Service) -> None:
    key = await new_key(service, "orders:read")
    async with browser_of(service, key=key.key) as browser:
        assert (await browser.get("/ui/orders")).status_code == 200
        await revoke_key(service.db, key.id, by=BY)
        answer = await browser.get("/ui/orders")
        assert (answer.status_code, answer.headers["location"]) == (
            303,
            "/ui/sign-in?why=ended&next=%2Fui%2Forders",
        )
        assert "Max-Age=0" in answer.headers["set-cookie"]
        assert not browser.cookies


async def test_a_key_that_was_rotated_is_good_for_its_grace(service: Service) -> None:
    key = await new_key(service, "orders:read")
    async with browser_of(service, key=key.key) as browser:
        await rotate_key(service.db, key.id, grace_seconds=3600, by=BY)
        assert (await browser.get("/ui/orders")).status_code == 200
        await rotate_key(service.db, key.id, grace_seconds=0, by=BY)
        assert (await browser.get("/ui/orders")).status_code == 303


async def test_after_twelve_hours_one_signs_in_again(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with browser_of(service, key=API_KEY) as browser:
        now = datetime.now(UTC).timestamp()
        for hours, status in ((11.9, 200), (12.1, 303)):
            monkeypatch.setattr("app.dashboard.sessions.time.time", lambda hours=hours: now + hours * 3600)
            assert (await browser.get("/ui/orders")).status_code == status, hours


async def test_the_cookie_is_worth_nothing_at_the_api_and_a_header_nothing_here(
    browser: httpx.AsyncClient, service: Service
) -> None:
    order_id = await stored_order(service)
    assert (await browser.get(f"/ui/orders/{order_id}")).status_code == 200
    assert (await browser.get(f"/v1/orders/{order_id}")).status_code == 401
    [sealed] = browser.cookies.values()
    as_key = {"Authorization": f"Bearer {sealed}"}
    assert (await browser.get(f"/v1/orders/{order_id}", headers=as_key)).status_code == 401
    async with browser_of(service) as stranger:
        with_header = await stranger.get(
            f"/ui/orders/{order_id}", headers={"Authorization": f"Bearer {API_KEY}"}
        )
        assert with_header.status_code == 303


async def test_a_cookie_that_is_none_of_ours_is_no_sign_in(service: Service) -> None:
    async with browser_of(service) as browser:
        for sealed in ("x", "gAAAAA", "a" * 5000, "ä", ""):
            cookie = f"presshook-8000={sealed}".encode()
            assert (await browser.get("/ui/orders", headers={b"Cookie": cookie})).status_code == 303


async def test_a_cookie_of_another_deployment_is_no_sign_in(service: Service, database_url: str) -> None:
    other = Service(make_settings(database_url, secret_key="another secret key of a deployment elsewhere"))
    async with browser_of(other, key=API_KEY) as elsewhere, browser_of(service) as browser:
        browser.cookies.update(elsewhere.cookies)
        assert (await browser.get("/ui/orders")).status_code == 303


async def test_signing_out_is_the_end(browser: httpx.AsyncClient) -> None:
    assert (await browser.post("/ui/sign-out")).headers["location"] == "/ui/sign-in"
    assert (await browser.get("/ui/orders")).status_code == 303


@pytest.mark.parametrize(
    ("asked", "way"),
    [
        ("/ui/orders?status=failed", "/ui/orders?status=failed"),
        ("/ui", "/ui"),
        ("//evil.example", "/ui"),
        ("https://evil.example", "/ui"),
        ("/\\evil.example", "/ui"),
        ("/ui//evil.example", "/ui"),
        ("/ui/../v1/orders", "/ui"),
        ("/ui/orders/%2E./..", "/ui"),
        ("/ui/..x/.y", "/ui/..x/.y"),
        ("/ui/\\..\\x", "/ui"),
        ("/ui/x\r\nSet-Cookie: a=b", "/ui"),
        ("/v1/orders", "/ui"),
        ("javascript:alert(1)", "/ui"),
        (None, "/ui"),
    ],
)
def test_one_comes_back_to_a_page_of_ours_alone(asked: str | None, way: str) -> None:
    assert way_on(asked) == way


async def test_who_follows_a_link_from_elsewhere_comes_again_from_here(service: Service) -> None:
    """A strict cookie stays away from the first request, and its owner has signed in all the same."""
    from_elsewhere = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    async with browser_of(service) as browser:
        page = await browser.get("/ui/orders?status=failed", headers=from_elsewhere)
        assert page.status_code == 200
        assert 'content="0;url=/ui/orders?status=failed"' in page.text
        again = {**from_elsewhere, "Sec-Fetch-Site": "same-origin"}
        assert (await browser.get("/ui/orders", headers=again)).status_code == 303


async def test_dashboard_off_removes_it_whole(database_url: str) -> None:
    app = create_app(Service(make_settings(database_url, dashboard="off")))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=HERE) as client:
        for path in ("/ui", "/ui/sign-in", "/ui/orders", "/ui/static/app.css"):
            assert (await client.get(path)).status_code == 404


async def test_pages_count_as_requests_of_the_key(database_url: str) -> None:
    service = Service(make_settings(database_url, rate_limit="2/hour"))
    async with (
        service.run(reconcile=False, on_death=lambda: None),
        browser_of(service, key=API_KEY) as browser,
    ):
        statuses = [(await browser.get("/ui/orders")).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        refused = await browser.get("/v1/orders", headers={"Authorization": f"Bearer {API_KEY}"})
        assert refused.status_code == 429


async def test_a_link_signs_in_once_on_this_machine_alone(service: Service) -> None:
    sessions = create_app(service).state.desk.sessions
    async with browser_of(service) as browser:
        app = browser._transport.app  # type: ignore[attr-defined]
        link = app.state.desk.sessions.link_once(API_KEY)
        assert link != sessions.link_once(API_KEY)
        for wrong in (f"{link}x", "/ui/sign-in?once=", sessions.link_once(API_KEY)):
            assert "followed already" in (await browser.get(wrong)).text
        elsewhere = await browser.get(link, headers={"Host": "192.0.2.7:8000"})
        assert "set-cookie" not in elsewhere.headers
        assert (await browser.get(link)).headers["location"] == "/ui"
        assert (await browser.get("/ui/orders")).status_code == 200
        browser.cookies.clear()
        assert "followed already" in (await browser.get(link)).text
        assert (await browser.get("/ui/orders")).status_code == 303


async def test_who_asks_for_the_head_of_a_link_does_not_follow_it(service: Service) -> None:
    """Chats and mail programs look at what a link leads to before a person does."""
    async with browser_of(service) as browser:
        app = browser._transport.app  # type: ignore[attr-defined]
        link = app.state.desk.sessions.link_once(API_KEY)
        head = await browser.head(link)
        assert (head.status_code, "set-cookie" in head.headers, len(browser.cookies)) == (200, False, 0)
        assert (await browser.get(link)).headers["location"] == "/ui"
        assert (await browser.get("/ui/orders")).status_code == 200


async def test_what_stays_open_is_held_against_the_key_and_the_time_as_well(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = create_app(service).state.desk
    key = await new_key(service, "orders:read")
    kept = Response()
    scope = {
        "type": "http",
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "path": "/ui",
        "query_string": b"",
    }
    desk.sessions.begin(Request({**scope, "headers": []}), kept, key.key)
    cookie = kept.headers["set-cookie"].partition(";")[0].encode()
    admission = await desk.sessions.find(Request({**scope, "headers": [(b"cookie", cookie)]}))
    await admission.check()
    assert 0 < admission.grant.lasts_seconds <= 12 * 3600
    now = datetime.now(UTC).timestamp()
    with monkeypatch.context() as later:
        later.setattr("app.dashboard.sessions.time.time", lambda: now + 12.1 * 3600)
        with pytest.raises(KeyRefusedError):
            await admission.check()
    await admission.check()
    await revoke_key(service.db, key.id, by=BY)
    with pytest.raises(KeyRefusedError):
        await admission.check()
