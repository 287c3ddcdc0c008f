"""How the commands ask over HTTP: through the proxies and by the trust store that the service itself uses.

No answer is larger than it looks: none is inflated, and no more of one is read than is taken.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from app.network import certificate_problem, proxy_for, trust_store
from app.network.answers import ACCEPT_IDENTITY, CodedError, TooLargeError, check_coding

MOST_BYTES = 32 * 1024 * 1024


def open_client(url: str, *, timeout_seconds: float) -> httpx.Client:
    """Return a client for requests to an address.

    Raises:
        NetworkSettingsError: a variable of the environment that applies cannot be followed.
    """
    proxy, tls = proxy_for(url), trust_store()
    through = None
    if proxy is not None:
        through = httpx.Proxy(
            proxy.url, auth=proxy.credentials, ssl_context=tls if proxy.scheme == "https" else None
        )
    headers = dict([ACCEPT_IDENTITY])
    return httpx.Client(timeout=timeout_seconds, trust_env=False, verify=tls, proxy=through, headers=headers)


def request(method: str, url: str, *, timeout_seconds: float, **given: Any) -> httpx.Response:  # noqa: ANN401 - httpx's
    """Make one request and return its answer, read whole.

    Raises:
        httpx.HTTPError: it could not be made, or was not answered.
        NetworkSettingsError: as `open_client`.
        app.network.answers.CodedError: the answer is compressed.
        app.network.answers.TooLargeError: it is larger than any that Presshook gives.
    """
    with (
        open_client(url, timeout_seconds=timeout_seconds) as client,
        client.stream(method, url, **given) as answer,
    ):
        body = bytearray()
        for chunk in raw(answer):
            body += chunk
            if len(body) > MOST_BYTES:
                raise TooLargeError
        return httpx.Response(
            answer.status_code, headers=answer.headers, content=bytes(body), request=answer.request
        )


def raw(answer: httpx.Response) -> Iterator[bytes]:
    """Yield an answer's body as it comes.

    Raises:
        app.network.answers.CodedError: it is compressed.
    """
    check_coding(answer.headers.get_list("content-encoding"))
    return answer.iter_raw()


@contextmanager
def told(url: str) -> Iterator[list[str]]:
    """Yield a list to which is added, in words, what went wrong with a request in the block."""
    wrong: list[str] = []
    try:
        yield wrong
    except CodedError:
        wrong.append(
            f"What answers at {url} is compressed, which was not asked for: is there a proxy before it?"
        )
    except TooLargeError:
        wrong.append(f"What answers at {url} is larger than anything that Presshook answers.")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        problem = certificate_problem(error)
        if problem is None:
            wrong.append(f"The service cannot be reached at {url} ({type(error).__name__}).")
        else:
            wrong.append(
                f"The certificate of {url} is not trusted: {problem}. If it is of your own authority, name "
                "that in SSL_CERT_FILE."
            )
