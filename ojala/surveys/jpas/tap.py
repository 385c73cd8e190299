"""The CEFCA archive by TAP: a login, and queries that survive broken connections.

The archive wants a login for unpublished data: a form that is posted once, then a session.
Login and password come from the environment or from a prompt, and are not kept.
"""

from __future__ import annotations

import getpass
import os
import sys
import time
import warnings
from dataclasses import dataclass, field
from typing import Any, Literal
from xml.parsers.expat import ExpatError

import numpy as np
import pyvo
import requests
import urllib3
from astropy.io.votable.exceptions import VOTableSpecError
from astropy.table import MaskedColumn, Table
from pyvo.dal import DALFormatError, DALQueryError, DALServiceError

from ojala.tables.qualified_names import short_names

ARCHIVE = "https://archive.cefca.es/catalogues"
SERVICE = f"{ARCHIVE}/vo/tap/jpas-idr202406"
LOGIN = f"{ARCHIVE}/login"

LOGIN_NAME, LOGIN_PASSWORD = "OJALA_CEFCA_LOGIN", "OJALA_CEFCA_PASSWORD"
"""Environment variables of the archive's login."""

PATIENCE = (30.0, 600.0)
"""Seconds to wait for a connection, and for an answer."""

Mode = Literal["sync", "async"]


@dataclass(kw_only=True)
class Archive:
    """A TAP service behind a login.

    url: of the service; login_url: of the form, or None where no login is needed
    name, password: sent to the form and nowhere else
    mode: "async" suits slow queries; attempts, wait: tries of a query that meets a broken
        connection or a server error, and seconds before the second (doubled each time)
    """

    url: str = SERVICE
    login_url: str | None = LOGIN
    name: str = ""
    password: str = field(default="", repr=False)
    mode: Mode = "async"
    attempts: int = 7
    wait: float = 2.0
    _service: Any = field(default=None, repr=False)

    def connect(self) -> None:
        """Open a session, logged in. Raises ValueError where the login is not accepted."""
        session = _PatientSession()
        if self.login_url:
            form = {"login": self.name, "password": self.password, "submit": "Sign+In"}
            answer = session.post(self.login_url, data=form)
            # The archive answers a wrong password with the form once more.
            if answer.status_code in (401, 403) or 'type="password"' in answer.text.lower():
                raise ValueError(f"{self.login_url}: the login of {self.name!r} was not accepted")
            answer.raise_for_status()
        self._service = pyvo.dal.TAPService(self.url, session=session)

    def reach(self) -> None:
        """Connect for the first time: a network that is not there is told at once.

        Raises ValueError naming the address that does not answer, and as ``connect`` does.
        """
        address, patience = self.login_url or self.url, PATIENCE[0]
        try:
            requests.head(address, timeout=patience)
        except requests.RequestException as error:
            silent = isinstance(error, requests.Timeout)
            reason = f"no answer within {patience:.0f} s" if silent else "cannot be reached"
            raise ValueError(f"{address}: {reason}, check the address and the network") from None
        self.connect()

    def query(self, adql: str) -> Table:
        """The rows of a query.

        Raises ValueError for a query that the service refuses or cuts short, a login that is
        not accepted, and a service that fails more than ``attempts`` times.
        """
        wait = self.wait
        for attempt in range(1, self.attempts + 1):
            try:
                if self._service is None:
                    self.connect()
                return self._ask(adql)
            except _TRANSIENT as error:
                if not _may_pass(error) or attempt == self.attempts:
                    raise ValueError(f"{self.url}: {_in_one_line(error)}") from None
                if _is_logged_out(error):
                    self._service = None
                time.sleep(wait)
                wait = min(2 * wait, 300.0)
        raise AssertionError("the last attempt returns or raises")

    def _ask(self, adql: str) -> Table:
        ask = self._service.run_async if self.mode == "async" else self._service.run_sync
        with warnings.catch_warnings():
            # Units outside the standard, and the overflow that is told below.
            warnings.simplefilter("ignore")
            answer = ask(adql)
            rows = _plain(answer.to_table())
        if answer.query_status.upper() == "OVERFLOW":
            raise ValueError(
                f"{self.url}: the service cuts answers at {len(rows)} rows: ask for smaller pages"
            )
        return rows


def _plain(rows: Table) -> Table:
    """An answer with short names in small letters, and one value where all arrays have one."""
    for name, short in short_names(rows.colnames).items():
        values = rows[name]
        if values.ndim == 2 and values.shape[1] == 1:
            rows.replace_column(name, values[:, 0])
        elif values.dtype == object and all(np.ndim(c) and np.size(c) == 1 for c in values):
            cells = [np.ma.ravel(cell).tolist()[0] for cell in values]
            hidden = [cell is None for cell in cells]
            rows.replace_column(name, MaskedColumn([cell or 0 for cell in cells], mask=hidden))
        if short.lower() != name:
            rows.rename_column(name, short.lower())
    return rows


class _PatientSession(requests.Session):
    """A session whose requests do not wait for ever."""

    def request(self, *args: Any, **options: Any) -> requests.Response:
        options.setdefault("timeout", PATIENCE)
        return super().request(*args, **options)


_TRANSIENT = (
    DALServiceError,
    DALFormatError,
    DALQueryError,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    ExpatError,
    VOTableSpecError,
)


def _status(error: Exception) -> int | None:
    """The HTTP status behind an error, where there was an answer at all."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return error.response.status_code
    return getattr(error, "code", None) or None


def _is_logged_out(error: Exception) -> bool:
    return _status(error) in (401, 403)


def _may_pass(error: Exception) -> bool:
    """True for what may be different the next time: broken connections, server errors."""
    if isinstance(error, DALQueryError):
        return False
    status = _status(error)
    return status is None or status >= 500 or status in (401, 403, 408, 429)


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def credentials() -> tuple[str, str]:
    """Login and password from the environment, or from a prompt where someone is there."""
    name, password = os.environ.get(LOGIN_NAME, ""), os.environ.get(LOGIN_PASSWORD, "")
    if (not name or not password) and not sys.stdin.isatty():
        raise ValueError(
            f"the archive wants a login: set {LOGIN_NAME} and {LOGIN_PASSWORD}, or use a terminal"
        )
    name = name or input("CEFCA archive login: ")
    return name, password or getpass.getpass("Password (not kept): ")
