"""The way in for callbacks: a probe from outside, through name, certificate and proxies, to this deployment.

(provider page: CloudPress sends a `POST` with the `Authorization` value that it was given)
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import SplitResult, urlsplit
from uuid import UUID, uuid4

from sqlalchemy.exc import SQLAlchemyError

from app.config.settings import Settings
from app.db.database import Database
from app.db.errors import DATABASE_AWAY
from app.maintenance.doctor import asking
from app.maintenance.doctor.asking import CertificateError, NoHttpError, Said, UnreachableError
from app.maintenance.doctor.checks import (
    Check,
    Outcome,
    Result,
    counted,
    failed,
    gravest,
    ok,
    skipped,
    warning,
)
from app.orders.probes import PROBE, PROOF, find_probe
from app.secrets import ProbeSecrets

# What the service reads of a body (`app/api/middleware/body_limit.py`).
MOST_BODY_BYTES = 64 * 1024
# How it refuses whoever has no right value (`app/api/problems/kinds.py`).
OUR_REFUSAL = b"urn:presshook:problem:unauthorized"
SOON_DAYS = 14
NGINX_AUTHORIZATION = "proxy_set_header Authorization $http_authorization;"
APACHE_AUTHORIZATION = 'SetEnvIf Authorization "(.*)" HTTP_AUTHORIZATION=$1 (or: CGIPassAuth On)'
MORE_ROOM = "nginx: client_max_body_size 1m;  Apache: LimitRequestBody 1048576"
AFTER_NAME = (
    Check.CERTIFICATE,
    Check.REDIRECT,
    Check.WAY_IN,
    Check.AUTHORIZATION,
    Check.BODY_LIMIT,
)


@dataclass(frozen=True)
class Proof:
    """What this deployment said of a probe, proven to be its own word."""

    status: int
    authorization: str
    size: int
    is_stored: bool


class Prober:
    """Knocks at `PUBLIC_URL`."""

    def __init__(self, settings: Settings, db: Database | None) -> None:
        """Prepare. Without a database (it is away) whether the probe came in there is not looked at."""
        self._url = urlsplit(settings.public_url)
        self._secrets = ProbeSecrets(settings.secret_keys)
        self._db = db

    async def check(self) -> AsyncIterator[Result]:
        """Look at each address of the name; what goes wrong at one of them is told with it."""
        url = self._url
        host, port = url.hostname or "", url.port or asking.PORTS[url.scheme]
        try:
            addresses = await asking.addresses_of(host, port)
        except OSError:
            advice = "make a DNS record for it, or correct PUBLIC_URL; this machine's own resolver was asked"
            yield failed(Check.NAME, f"{host} has no address", advice)
            for check in AFTER_NAME:
                yield skipped(check, "the name has no address")
            return
        found = [await self._check_address(address) for address in addresses]
        for check in (Check.NAME, *AFTER_NAME):
            yield _of_all(check, [result for each in found for result in each if result.check is check])

    async def _check_address(self, address: str) -> list[Result]:
        at = f"at {address}: "
        try:
            probe, said = await self._knock(address, b"{}")
        except UnreachableError as error:
            if error.is_way_missing:
                return [warning(Check.NAME, f"{at}cannot be tried from here ({error})", _VANTAGE)]
            advice = "see that something listens there and that no firewall is before it; or " + _VANTAGE
            return [failed(Check.NAME, f"{at}{error}", advice)]
        except CertificateError as error:
            advice = "renew it, for this very name and with its whole chain"
            return [ok(Check.NAME, address), failed(Check.CERTIFICATE, f"{at}{error}", advice)]
        except NoHttpError as error:
            advice = "see what listens there; or " + _VANTAGE
            return [ok(Check.NAME, address), failed(Check.WAY_IN, f"{at}{error}", advice)]
        results = [ok(Check.NAME, address), self._certificate(said)]
        if 300 <= said.status < 400:
            advice = "set PUBLIC_URL to where it leads: CloudPress may not follow, and drops what it carries"
            return [*results, failed(Check.REDIRECT, f"{at}{said.status} to {_place(said)}", advice)]
        results.append(ok(Check.REDIRECT, "none"))
        proof = self._proof(probe, said)
        if proof is None:
            return [*results, _stranger(at, said)]
        return [*results, *await self._ours(at, address, probe, proof)]

    async def _ours(self, at: str, address: str, probe: str, proof: Proof) -> list[Result]:
        """Tell what this deployment has seen of the probe, and how much it is let have."""
        results = [await self._way_in(at, probe, proof)]
        results.append(authorization_of(at, proof.authorization))
        results.append(await self._body_limit(at, address))
        return results

    async def _way_in(self, at: str, probe: str, proof: Proof) -> Result:
        try:
            is_here = self._db is None or await find_probe(self._db, UUID(probe)) is not None
        except (SQLAlchemyError, *DATABASE_AWAY):
            is_here = True  # that it cannot be asked is told elsewhere
        if proof.is_stored and not is_here:
            advice = "have PUBLIC_URL lead here, or give the other one a SECRET_KEY of its own"
            told = f"{at}a deployment with this SECRET_KEY answers that works on another database"
            return failed(Check.WAY_IN, told, advice)
        if not proof.is_stored:
            advice = "see why the service that answers there cannot write to its database"
            return failed(Check.WAY_IN, f"{at}it came in, and could not be stored", advice)
        return ok(Check.WAY_IN, "a probe came in, by each address")

    async def _body_limit(self, at: str, address: str) -> Result:
        check = Check.BODY_LIMIT
        try:
            probe, whole = await self._knock(address, b" " * MOST_BODY_BYTES)
            proof = self._proof(probe, whole)
            if proof is None or proof.size != MOST_BODY_BYTES:
                told = f"{at}64 KiB do not come in: something before Presshook answers {whole.status}"
                return failed(check, told, MORE_ROOM)
            probe, more = await self._knock(address, b" " * (MOST_BODY_BYTES + 1))
            proof = self._proof(probe, more)
        except (UnreachableError, CertificateError, NoHttpError) as error:
            return failed(check, f"{at}64 KiB do not come in: {error}", MORE_ROOM)
        if proof is None or proof.status != 413:
            told = f"{at}something before Presshook answers {more.status} to what is larger than 64 KiB"
            return warning(check, told, f"a little more room does no harm. {MORE_ROOM}")
        return ok(check, "64 KiB come in, more is refused here")

    async def _knock(self, address: str, body: bytes) -> tuple[str, Said]:
        probe = str(uuid4())
        path = f"{self._url.path.rstrip('/')}/v1/callbacks/{probe}"
        return probe, await asking.post(self._url, path, address, self.headers_of(probe), body)

    def address_of(self, probe: str) -> str:
        """Return where a probe is sent to."""
        return f"{self._url.geturl().rstrip('/')}/v1/callbacks/{probe}"

    def headers_of(self, probe: str) -> dict[str, str]:
        """Return what a probe is known by, twice: proxies may take `Authorization` away."""
        value = self._secrets.value(probe)
        return {"Authorization": value, PROBE: value}

    def _proof(self, probe: str, said: Said) -> Proof | None:
        """Return what this deployment said; None if somebody else answered."""
        told, _, proof = said.headers.get(PROOF.lower(), "").rpartition(" ")
        parts = told.split(" ")
        if len(parts) != 4 or not self._secrets.is_proven(probe, told, proof):
            return None
        status, authorization, size, stored = parts
        return Proof(int(status), authorization, int(size), stored == "stored")

    def _certificate(self, said: Said) -> Result:
        if said.certificate_ends_at is None:
            return skipped(Check.CERTIFICATE, "http has none")
        return lasting(Check.CERTIFICATE, said.certificate_ends_at)


_VANTAGE = "this machine may not see its own outside: try presshook doctor --from-elsewhere"


def lasting(check: Check, ends_at: datetime, *, subject: str = "") -> Result:
    """Say for how long a trusted certificate lasts."""
    days = (ends_at - datetime.now(UTC)).days
    told = f"ends in {counted(days, 'day')}, on {ends_at:%Y-%m-%d}"
    if days < SOON_DAYS:
        return warning(check, told, "renew it, and see why that did not happen by itself", subject=subject)
    return ok(check, told, subject=subject)


def _of_all(check: Check, results: list[Result]) -> Result:
    if not results:
        return skipped(check, "not reached")
    worst = gravest(results)
    if check is Check.NAME and worst.outcome is Outcome.OK:
        return ok(check, ", ".join(result.detail for result in results))
    return worst


def authorization_of(at: str, seen: str) -> Result:
    """Tell what became of a probe's `Authorization` on the way."""
    check = Check.AUTHORIZATION
    if seen == "arrived":
        return ok(check, "comes in")
    verb = "takes the Authorization header away" if seen == "missing" else "replaces the Authorization header"
    advice = f"nginx: {NGINX_AUTHORIZATION}  Apache: {APACHE_AUTHORIZATION}; no auth_basic on /v1/callbacks/"
    return failed(check, f"{at}a proxy {verb}, so every callback is refused", advice)


def _stranger(at: str, said: Said) -> Result:
    """Say who answered, if it was not this deployment."""
    check = Check.WAY_IN
    kind = said.headers.get("content-type", "").partition(";")[0] or "no type"
    if OUR_REFUSAL in said.body:
        advice = (
            "have PUBLIC_URL lead to this deployment, restart every replica with this SECRET_KEY, and let "
            f"{PROBE} and Authorization pass"
        )
        return failed(check, f"{at}a Presshook that does not know our SECRET_KEY answers", advice)
    if said.status == 413:
        return failed(Check.BODY_LIMIT, f"{at}a proxy refuses two bytes as too large", MORE_ROOM)
    if said.status in {502, 503, 504}:
        advice = "start the service, or correct where the proxy sends /v1/callbacks/"
        return failed(check, f"{at}{said.status}: what answers does not reach Presshook", advice)
    if said.status in {401, 403}:
        advice = "let POST to /v1/callbacks/ through without sign-in, list of addresses or challenge"
        return failed(check, f"{at}{said.status}: something before Presshook refuses it", advice)
    advice = "have the proxy send /v1/callbacks/ to this deployment, with headers and answers as they are"
    return failed(check, f"{at}something else answers: {said.status}, {kind}", advice)


def _place(said: Said) -> str:
    """Return where a redirect leads, without what else may stand in it."""
    try:
        parts: SplitResult = urlsplit(said.headers.get("location", ""))
    except ValueError:
        return "somewhere else"
    return f"{parts.scheme}://{parts.hostname}" if parts.hostname else "somewhere else"
