"""The parts of a URL: passed on or refused by name, and never shown."""

from __future__ import annotations

import pytest

from rescind.errors import ConfigurationError
from rescind.targets.mysql.address import Address
from rescind.urls import database_url


def address(rest: str) -> Address:
    return Address.of("default", database_url(f"mysql://ann:s%C3%A9cret%2F@db.example:3307/{rest}"))


def test_everything_in_a_url_arrives() -> None:
    found = address("shop?ssl_ca=/ca.pem&ssl_verify_identity=true&ssl_verify_cert=0")
    assert found.arguments == {
        "host": "db.example", "port": 3307, "user": "ann", "password": "sécret/".encode(), "database": "shop",
        "ssl_ca": "/ca.pem", "ssl_verify_identity": True, "ssl_verify_cert": False,
    }  # fmt: skip


def test_a_password_is_not_shown() -> None:
    assert "cret" not in repr(address("shop"))


@pytest.mark.parametrize(
    "option", ["sslmode=require", "ssl_verify_cert=perhaps", "charset=latin1", "ssl_ca=a&ssl_ca=b"]
)
def test_an_option_that_is_not_known_is_refused_by_name(option: str) -> None:
    with pytest.raises(ConfigurationError, match=option.partition("=")[0]) as error:
        address(f"shop?{option}")
    assert "cret" not in str(error.value)
