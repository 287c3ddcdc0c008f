"""Whose certificates are trusted: the system's authorities and those that the environment names."""

import os
import re
import ssl
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import certifi

from app.network.errors import NetworkSettingsError

# Where systems keep their authorities, if OpenSSL was built for another one than this.
SYSTEM_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
HASHED = re.compile(r"[0-9a-f]{8}\.\d+")


def trust_store(environment: Mapping[str, str] = os.environ) -> ssl.SSLContext:
    """Return a context for clients that checks certificates and names. A process reads its files once.

    A machine that has no authorities at all gets Mozilla's, which we bring along.

    Raises:
        NetworkSettingsError: `SSL_CERT_FILE` or `SSL_CERT_DIR` names nothing that can be read.
    """
    named = tuple((name, environment.get(name, "").strip()) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
    return _store(tuple((name, path) for name, path in named if path))


@cache
def _store(named: tuple[tuple[str, str], ...]) -> ssl.SSLContext:
    # Not `create_default_context`: it follows SSLKEYLOGFILE as well, and writes the keys of every connection.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load_system(context)
    for variable, path in named:
        _load_named(context, variable, path)
    return context


def certificate_problem(error: BaseException) -> str | None:
    """Return what is wrong with the other side's certificate, None if an error is about something else."""
    for each in _causes(error):
        if isinstance(each, ssl.SSLCertVerificationError):
            return each.verify_message.rstrip(".")
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    following: BaseException | None = error
    while following is not None:
        yield following
        following = following.__cause__ or following.__context__


def _load_system(context: ssl.SSLContext) -> None:
    """Load what OpenSSL was built to look at; else what this system has elsewhere; else Mozilla's."""
    built_in = ssl.get_default_verify_paths()
    folder = Path(built_in.openssl_capath)
    is_hashed = folder.is_dir() and any(HASHED.fullmatch(path.name) for path in folder.iterdir())
    if is_hashed:
        # Looked into when a certificate is checked. A file of all is parsed at once, which takes its time.
        context.load_verify_locations(capath=str(folder))
    is_loaded = _load_file(context, built_in.openssl_cafile) or is_hashed
    if not is_loaded and not any(_load_file(context, path) for path in SYSTEM_FILES):
        context.load_verify_locations(cafile=certifi.where())


def _load_file(context: ssl.SSLContext, path: str) -> bool:
    try:
        context.load_verify_locations(cafile=path)
    except OSError:  # missing, unreadable, or (an SSLError is one) without a certificate
        return False
    return True


def _load_named(context: ssl.SSLContext, variable: str, path: str) -> None:
    try:
        if variable == "SSL_CERT_FILE":
            context.load_verify_locations(cafile=path)
        elif Path(path).is_dir():
            context.load_verify_locations(capath=path)
        else:
            raise NetworkSettingsError(f"{variable}: there is no folder {path!r}")
    except ssl.SSLError:
        raise NetworkSettingsError(f"{variable}: {path!r} holds no certificate in PEM form") from None
    except FileNotFoundError:
        raise NetworkSettingsError(f"{variable}: there is no file {path!r}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no path"
        raise NetworkSettingsError(f"{variable}: {path!r} cannot be read: {reason}") from None
