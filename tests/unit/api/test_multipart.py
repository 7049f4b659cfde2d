from __future__ import annotations

import io

import pytest
from werkzeug.exceptions import HTTPException

from rescind.api.multipart import FilePart
from rescind.errors import UploadIncomplete

HEAD = b'--xx\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\nContent-Type: text/csv\r\n\r\n'
END = b"\r\n--xx--\r\n"


class Trickle:
    """A body of which a few bytes arrive at a time."""

    def __init__(self, content: bytes, step: int) -> None:
        self._content = io.BytesIO(content)
        self._step = step

    def read(self, size: int, /) -> bytes:
        return self._content.read(min(size, self._step))


def read(body: bytes, step: int = 1 << 20) -> bytes:
    part = FilePart(Trickle(body, step), "xx")
    pieces = iter(lambda: part.read(1), b"")
    return b"".join(pieces)


@pytest.mark.parametrize("step", [1, 2, 7, 64, 1 << 20])
@pytest.mark.parametrize("content", [b"", b"a,b\r\n1,2\r\n", b"\r\n--x\r\n--y\r", b"\n" * 100, bytes(range(256)) * 9])
def test_the_file_comes_out_as_it_was(content: bytes, step: int) -> None:
    assert read(HEAD + content + END, step) == content


def test_name_and_type() -> None:
    part = FilePart(io.BytesIO(HEAD + END), "xx")
    assert (part.filename, part.content_type) == ("a.csv", "text/csv")


@pytest.mark.parametrize("cut", [0, 10, len(HEAD), len(HEAD) + 3, len(HEAD) + 8, len(HEAD) + 11])
def test_case_10_a_form_that_ends_early(cut: int) -> None:
    with pytest.raises(UploadIncomplete):
        read((HEAD + b"a,b\r\n" + END)[:cut])


@pytest.mark.parametrize(
    "body",
    [
        b"--xx--\r\n",
        b"--yy\r\n",
        HEAD + b"a\r\n--xxx" + END,
        b'--xx\r\nContent-Disposition: form-data; name="a"\r\n\r\nx' + END,
        HEAD + b"x\r\n" + HEAD + b"y" + END,
        b"--xx\r\nContent-Type: text/csv\r\n\r\nx" + END,
        b'--xx\r\nContent-Disposition: form-data; name="\xff"; filename="a"\r\n\r\nx' + END,
    ],
)
def test_other_forms_are_refused(body: bytes) -> None:
    with pytest.raises(HTTPException) as refused:
        read(body)
    assert refused.value.code in (400, 422)


def test_what_follows_the_last_boundary_is_read_and_dropped() -> None:
    assert read(HEAD + b"x" + END + b"--xx\r\nanything") == b"x"


def test_a_header_without_end_is_not_held() -> None:
    with pytest.raises(HTTPException):
        read(HEAD.rstrip() + b"x" * 10_000_000, step=4096)
