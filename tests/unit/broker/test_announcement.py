"""Only an announcement passes, and only its two ids pass with it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rescind.broker.announcement import MOST_BODY_BYTES, WAKE, clean

TASK = "0199-task"
BODY = json.dumps([[TASK], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}])


def message(**changes: Any) -> SimpleNamespace:
    """A message as kombu hands it over."""
    fields: dict[str, Any] = {
        "headers": {"task": WAKE, "id": "message-id", "lang": "py"},
        "body": BODY.encode(),
        "content_type": "application/json",
        "content_encoding": "utf-8",
        "properties": {"delivery_tag": "1"},
    }
    return SimpleNamespace(**fields | changes)


@pytest.mark.parametrize("body", [BODY, BODY.encode(), memoryview(BODY.encode())], ids=["str", "bytes", "memoryview"])
def test_an_announcement_passes(body: str | bytes | memoryview) -> None:
    passed = message(body=body)
    assert clean(passed)
    assert json.loads(passed.body) == [[TASK], {}, {}]


def test_nothing_else_that_it_says_reaches_celery() -> None:
    forged = message(
        headers={
            "task": WAKE,
            "id": "i",
            "eta": "2199-01-01T00:00:00",
            "timelimit": [1, "x"],
            "shadow": 7,
            "group": [],
        },
        body=json.dumps([[TASK], {}, {"callbacks": [{"task": "other"}], "chain": [{"task": "other"}]}]),
        properties={"reply_to": "somewhere", "delivery_tag": "1"},
    )
    assert clean(forged)
    assert forged.headers == {"lang": "py", "task": WAKE, "id": "i", "ignore_result": True}
    assert forged.properties == {"delivery_tag": "1"}
    assert json.loads(forged.body) == [[TASK], {}, {}]


FORGED: dict[str, dict[str, Any]] = {
    "another task": {"headers": {"task": "celery.backend_cleanup", "id": "i"}},
    "a list for a name": {"headers": {"task": [WAKE], "id": "i"}},
    "no name": {"headers": {"id": "i"}},
    "no headers": {"headers": None},
    "no id": {"headers": {"task": WAKE}},
    "a number for an id": {"headers": {"task": WAKE, "id": 7}},
    "an endless id": {"headers": {"task": WAKE, "id": "x" * 65}},
    "pickled": {"content_type": "application/x-python-serialize"},
    "no type": {"content_type": None},
    "no body": {"body": None},
    "empty body": {"body": b""},
    "half a body": {"body": b'[["task"], {'},
    "not UTF-8": {"body": b"\xff\xfe\xfd"},
    "nested": {"body": b"[" * (MOST_BODY_BYTES - 1)},
    "long": {"body": b" " * (MOST_BODY_BYTES + 1)},
    "an object": {"body": b'{"args": ["task"], "kwargs": {}}'},
    "no argument": {"body": b"[[], {}, {}]"},
    "two arguments": {"body": b'[["a", "b"], {}, {}]'},
    "a named argument": {"body": b'[["a"], {"x": 1}, {}]'},
    "a number for a task": {"body": b"[[7], {}, {}]"},
}


@pytest.mark.parametrize("changes", FORGED.values(), ids=FORGED.keys())
def test_a_forged_message_is_refused(changes: dict[str, Any]) -> None:
    assert not clean(message(**changes))


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(headers=JSON | st.fixed_dictionaries({"task": st.just(WAKE) | JSON, "id": JSON}), body=JSON.map(json.dumps))
def test_no_message_makes_it_raise(headers: Any, body: str) -> None:
    assert clean(message(headers=headers, body=body)) in (True, False)
