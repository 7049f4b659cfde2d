"""The example application, against a running Rescind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from examples.flask_app.app import create_app
from flask.testing import FlaskClient
from tests.support.stack import Stack
from tests.support.waiting import until


@pytest.fixture
def shop(stack: Stack) -> Iterator[FlaskClient]:
    with application(stack.url) as client:
        yield client


@contextmanager
def application(rescind_url: str) -> Iterator[FlaskClient]:
    with httpx2.Client(base_url=rescind_url, timeout=60.0) as rescind, create_app(rescind).test_client() as client:
        yield client


def choose(shop: FlaskClient, content: bytes) -> Any:
    """What a browser sends when a person chooses a file on the upload page."""
    token = re.search(r'name="token" value="([^"]+)"', shop.get("/").text)
    assert token is not None
    form = httpx2.Request("POST", "http://shop/", data={"token": token[1]}, files={"file": ("prices.csv", content)})
    return shop.post("/imports", data=form.read(), content_type=form.headers["Content-Type"])


def page(shop: FlaskClient, location: str, word: str) -> str:
    return until(lambda: text if word in (text := shop.get(location).text) else "", f"the page to say {word}")


def test_a_file_is_imported_and_its_page_says_so(shop: FlaskClient) -> None:
    answer = choose(shop, b"article,price\npen,1\nink,2\n")
    assert answer.status_code == 303
    assert "2 rows are in the table" in page(shop, answer.location, "committed")


def test_a_bad_row_is_shown_where_it_is_and_nothing_is_imported(shop: FlaskClient) -> None:
    page(shop, choose(shop, b"article,price\npen,1\n").location, "committed")
    shown = page(shop, choose(shop, b"article,price\npen,1\nink,much\n").location, "failed")
    assert "<td>2</td><td>price</td><td>much</td>" in shown
    assert "Nothing was changed" in shown


def test_a_file_that_does_not_fit_is_refused_on_the_upload_page(shop: FlaskClient) -> None:
    page(shop, choose(shop, b"article,price\npen,1\n").location, "committed")
    answer = choose(shop, b"article,colour\npen,red\n")
    assert answer.status_code == 422
    assert "colour" in answer.text


def test_the_stop_button_takes_the_import_back(shop: FlaskClient) -> None:
    rows = b"".join(b"article %d,%d\n" % (n, n) for n in range(1_500_000))
    location = choose(shop, b"article,price\n" + rows).location
    shop.post(f"{location}/stop")
    assert "as if the import had never run" in page(shop, location, "stopped")


def test_no_file_no_service_and_no_such_import_are_said_in_words(shop: FlaskClient) -> None:
    assert shop.post("/imports", data={"token": "t"}).status_code == 422
    assert shop.get("/imports/00000000-0000-7000-8000-000000000000").status_code == 404
    with application("http://127.0.0.1:9") as alone:
        answer = alone.get("/imports/00000000-0000-7000-8000-000000000000")
    assert answer.status_code == 503
    assert "does not answer" in answer.text
