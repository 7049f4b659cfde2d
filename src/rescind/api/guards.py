"""Requests that a browser may send without its user's wish, and what may not be sent twice by accident."""

from __future__ import annotations

from http import HTTPStatus

from flask import request
from werkzeug.exceptions import MethodNotAllowed

from rescind.api.problems import Refusal

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
#: `same-site` is another origin too: another port of this host, another host of this domain.
_FOREIGN = frozenset({"cross-site", "same-site"})


def refuse_foreign_writes() -> None:
    """Before each request: no other site's page may write, with a form or a script."""
    if request.method not in _SAFE:
        _refuse_foreign()


def guard_state_change(*methods: str) -> None:
    """For an address that changes state on GET too: only a person or a program that means it gets through."""
    if request.method == "HEAD":
        # Flask runs the GET view for HEAD, and a link checker would delete everything.
        raise MethodNotAllowed(valid_methods=methods)
    _refuse_foreign()
    purposes = (request.headers.get(name, "") for name in ("Sec-Purpose", "Purpose", "X-Moz"))
    if any("prefetch" in purpose.lower() or "prerender" in purpose.lower() for purpose in purposes):
        raise Refusal(
            HTTPStatus.FORBIDDEN,
            "prefetch-refused",
            "This address changes data, so it is not answered ahead of time.",
            "Open it for real.",
        )


def _refuse_foreign() -> None:
    if request.headers.get("Sec-Fetch-Site", "").lower() in _FOREIGN:
        raise Refusal(
            HTTPStatus.FORBIDDEN,
            "cross-site-refused",
            "Another site's page sent this request, and it would change data.",
            "Send it from the service's own pages, or from a program.",
        )
