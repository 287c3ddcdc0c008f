"""Webhooks: which were disabled or fail, where they lead, and whether their certificates last."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpcore
from sqlalchemy import select

from app.db.database import Database
from app.db.models import Webhook
from app.maintenance.doctor import asking
from app.maintenance.doctor.asking import CertificateError, NoHttpError, UnreachableError
from app.maintenance.doctor.checks import Check, Outcome, Result, counted, failed, ok, skipped, warning
from app.maintenance.doctor.way_in import lasting
from app.webhooks.addresses import Allowance, BadUrlError, ForbiddenAddressError
from app.webhooks.resolver import Names, written_out

AT_ONCE = 10
LOOK_UP_SECONDS = 5.0


async def _webhooks(db: Database) -> list[Webhook]:
    async with db.read() as session:
        return list(await session.scalars(select(Webhook).order_by(Webhook.created_at)))


async def check_enabled(db: Database) -> Result:
    """Look which webhooks the service disabled, and to which nothing gets through."""
    webhooks = await _webhooks(db)
    disabled = [each for each in webhooks if each.disabled_reason is not None and not each.is_enabled]
    failing = [each for each in webhooks if each.is_enabled and each.failing_since is not None]
    if disabled:
        advice = "mend the application, then enable the webhook and ask for redelivery"
        return failed(Check.WEBHOOKS, f"disabled: {_named(disabled)}", advice)
    if failing:
        since = min(each.failing_since for each in failing if each.failing_since)
        advice = "mend the application: what fails for five days is disabled"
        return warning(Check.WEBHOOKS, f"failing since {since:%Y-%m-%d %H:%M} UTC: {_named(failing)}", advice)
    if not webhooks:
        return skipped(Check.WEBHOOKS, "there are none")
    return ok(Check.WEBHOOKS, counted(len(webhooks), "webhook"))


def _named(webhooks: list[Webhook]) -> str:
    return ", ".join(str(each.id) for each in webhooks)


async def check_ways(db: Database, allowance: Allowance) -> AsyncIterator[Result]:
    """Look where the enabled webhooks lead; only to what they may reach anything is sent, and no message."""
    webhooks = [each for each in await _webhooks(db) if each.is_enabled]
    if not webhooks:
        yield skipped(Check.WEBHOOK_ADDRESSES, "no webhook is enabled")
        yield skipped(Check.WEBHOOK_CERTIFICATES, "no webhook is enabled")
        return
    turn = asyncio.Semaphore(AT_ONCE)

    async def look(webhook: Webhook) -> list[Result]:
        async with turn:
            return await _way(webhook, allowance)

    found = [result for each in await asyncio.gather(*map(look, webhooks)) for result in each]
    for check in (Check.WEBHOOK_ADDRESSES, Check.WEBHOOK_CERTIFICATES):
        results = [result for result in found if result.check is check]
        bad = [result for result in results if result.outcome in {Outcome.FAILED, Outcome.WARNING}]
        for result in bad:
            yield result
        if not bad:
            yield (
                ok(check, f"{counted(len(results), 'webhook')} looked at")
                if results
                else skipped(check, "none")
            )


async def _way(webhook: Webhook, allowance: Allowance) -> list[Result]:
    subject = str(webhook.id)
    parts = urlsplit(webhook.url)
    host, port = parts.hostname or "", parts.port or asking.PORTS.get(parts.scheme, 443)
    is_encrypted = parts.scheme == "https"
    try:
        allowance.check_url(webhook.url)
        async with asyncio.timeout(LOOK_UP_SECONDS):
            addresses = written_out(host) or await Names().resolve(host)
        for address in addresses:
            allowance.check(address, is_encrypted=is_encrypted)
    except (BadUrlError, ForbiddenAddressError) as error:
        advice = "give the webhook a public https address, or name its network in WEBHOOK_ALLOWED_NETWORKS"
        return [failed(Check.WEBHOOK_ADDRESSES, str(error).rstrip("."), advice, subject=subject)]
    except (httpcore.ConnectError, TimeoutError):
        advice = "correct the webhook's URL, or the DNS record"
        return [failed(Check.WEBHOOK_ADDRESSES, "the name has no address", advice, subject=subject)]
    results = [ok(Check.WEBHOOK_ADDRESSES, "may be reached", subject=subject)]
    if is_encrypted:
        results.append(await _certificate(host, str(addresses[0]), port, subject))
    return results


async def _certificate(host: str, address: str, port: int, subject: str) -> Result:
    check = Check.WEBHOOK_CERTIFICATES
    try:
        return lasting(check, await asking.certificate_ends_at(host, address, port), subject=subject)
    except CertificateError as error:
        advice = "renew it; if it is of your own authority, name that in SSL_CERT_FILE"
        return failed(check, f"is not trusted: {error}", advice, subject=subject)
    except (UnreachableError, NoHttpError) as error:
        advice = "see that the application runs and may be reached from here"
        return warning(check, f"cannot be looked at: {error}", advice, subject=subject)
