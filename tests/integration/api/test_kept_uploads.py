"""`/v1/uploads`: bytes kept apart from a load, and what is told of them."""

from __future__ import annotations

import gzip
import hashlib
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx2 as httpx
import pytest
from tests.integration.api.test_uploads import digest, pieces, uploads
from tests.support.api import Service

FILE = b"a;b\n1;x\n2,5;y\n"
CSV = b"a,b\n1,x\n"


@pytest.fixture(autouse=True)
def no_uploads(service: Service) -> None:
    for name in uploads(service):
        (service.settings.uploads_directory() / name).unlink()


def put(service: Service, content: bytes = FILE, name: str = "x.csv", **headers: str) -> httpx.Response:
    return service.client.put(f"/v1/uploads/{quote(name, safe='')}", content=content, headers=headers)


def kept(service: Service, content: bytes = FILE, name: str = "x.csv") -> str:
    answer = put(service, content, name)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def look(service: Service, upload: str, **said: str) -> httpx.Response:
    return service.client.post(f"/v1/uploads/{upload}/inspect", params=said)


@pytest.mark.parametrize("name", ["x.csv", "größe 1.csv", "a b?c#d%.csv"])
def test_a_file_is_kept_and_found_by_its_id(service: Service, name: str) -> None:
    answer = put(service, FILE, name, **{"Content-Type": "text/csv"})
    document = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/uploads/{document['id']}" == document["links"]["self"]
    assert (document["name"], document["length"]) == (name, len(FILE))
    assert document["sha256"] == hashlib.sha256(FILE).hexdigest()
    assert service.client.get(answer.headers["location"]).json() == document
    assert uploads(service) == [document["id"]]


def test_a_kept_file_is_loaded_by_its_id(service: Service) -> None:
    upload = kept(service, CSV)
    task = service.submit("load", table="t", upload=upload, create=True)
    service.work()
    assert service.task(task)["state"] == "committed"
    assert service.sql("SELECT a, b FROM t") == [(1, "x")]


def test_the_same_file_sent_again_is_kept_once(service: Service) -> None:
    first = kept(service)
    again = put(service)
    assert (again.status_code, again.json()["id"]) == (200, first)
    others = [
        put(service, name="y.csv"),
        put(service, FILE + b"3;z\n"),
        put(service, FILE, "x.csv", **{"Content-Type": "text/csv"}),
    ]
    assert [answer.status_code for answer in others] == [201] * 3
    assert len(uploads(service)) == 4


def test_a_file_that_a_task_uses_is_not_taken_for_a_new_one(service: Service) -> None:
    """It goes when its task has committed."""
    first = kept(service, CSV)
    service.submit("load", table="t", upload=first, create=True)
    assert kept(service, CSV) != first


def test_a_file_is_deleted_once_no_task_needs_it(service: Service) -> None:
    upload = kept(service, CSV)
    task = service.submit("load", table="t", upload=upload, create=True)
    refused = service.client.delete(f"/v1/uploads/{upload}")
    assert (refused.status_code, refused.json()["code"]) == (409, "upload-in-use")
    assert uploads(service) == [upload]
    service.client.post(f"/v1/tasks/{task}/stop")
    service.work()
    assert service.client.delete(f"/v1/uploads/{upload}").status_code == 204
    assert uploads(service) == []
    assert service.client.get(f"/v1/uploads/{upload}").status_code == 404
    late = service.client.post("/v1/tasks", json={"task": "load", "args": {"table": "t", "upload": upload}})
    assert late.json()["code"] == "unknown-upload"


@pytest.mark.parametrize("upload", [str(uuid4()), "x.csv", "..%2Fledger.db"])
def test_what_is_not_there_is_404(service: Service, upload: str) -> None:
    for answer in (
        service.client.get(f"/v1/uploads/{upload}"),
        service.client.delete(f"/v1/uploads/{upload}"),
        service.client.post(f"/v1/uploads/{upload}/inspect"),
    ):
        assert answer.status_code == 404


@pytest.mark.parametrize("name", ["x" * 256, "a\nb", "a\0b"])
def test_a_name_that_is_none_is_refused(service: Service, name: str) -> None:
    answer = put(service, name=name)
    assert (answer.status_code, answer.json()["errors"][0]["name"]) == (422, "upload")
    assert uploads(service) == []


def test_the_limits_and_errors_are_those_of_loads(service: Service) -> None:
    wrong = [
        (service.client.put("/v1/uploads/x", content=pieces()), 411),
        (service.client.put("/v1/uploads/x", content=pieces(), headers=digest(b"other")), 400),
        (service.client.put("/v1/uploads/x", files={"file": FILE}), 415),
        (service.client.put("/v1/uploads/x?a=b", content=FILE), 422),
        (service.client.put("/v1/uploads/x", content=FILE, headers={"Sec-Fetch-Site": "cross-site"}), 403),
    ]
    assert [answer.status_code for answer, _ in wrong] == [status for _, status in wrong]
    assert uploads(service) == []
    right = service.client.put("/v1/uploads/x", content=pieces(), headers=digest(b"a,b\n1,x\n2,y\n"))
    assert right.status_code == 201


def test_what_a_file_holds_is_told(service: Service) -> None:
    found: dict[str, Any] = look(service, kept(service, gzip.compress(FILE), "Meine Daten.csv.gz")).json()
    assert (found["format"], found["compression"]) == ("csv", "gzip")
    assert found["options"] == {"delimiter": ";", "decimal": ","}
    assert found["dialect"]["delimiter"] == ";"
    assert found["columns"][0] == {
        "name": "a",
        "type": "real",
        "nulls": 0,
        "evidence": [{"type": "integer", "record": 2, "value": "2,5"}],
    }
    assert found["rows"] == [{"a": 1.0, "b": "x"}, {"a": 2.5, "b": "y"}]
    assert (found["records"], found["whole"], found["rejected"], found["rejects"]) == (2, True, 0, [])
    columns = [{"name": "a", "type": "real"}, {"name": "b", "type": "text"}]
    assert found["table"] == {"name": "meine_daten", "columns": columns}


def test_what_is_said_of_a_file_is_obeyed(service: Service) -> None:
    upload = kept(service, "1|caf\xe9|-\n".encode("latin-1"))
    found = look(service, upload, header="false", delimiter="|", encoding="latin-1", null=",-", quote="").json()
    assert found["rows"] == [{"column1": 1, "column2": "café", "column3": None}]
    assert found["proposals"] == []
    assert found["options"]["null"] == ["", "-"]


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ({"delimiter": "ab"}, "delimiter"),
        ({"header": "1"}, "header"),
        ({"date_format": "%q"}, "date_format"),
        ({"anything": "x"}, "anything"),
        ({"sheet": "x"}, "sheet"),
    ],
)
def test_what_cannot_be_said_is_refused_by_name(service: Service, said: dict[str, str], name: str) -> None:
    answer = look(service, kept(service), **said)
    assert (answer.status_code, answer.json()["errors"][0]["name"]) == (422, name)


def test_a_file_that_cannot_be_read_is_told_like_a_load_of_it(service: Service) -> None:
    answer = look(service, kept(service, b"a,b\n1,caf\xe9\n"))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-encoding")
    assert "'café' with encoding=windows-1252" in answer.json()["detail"]
