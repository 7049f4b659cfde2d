"""Case 3 of bad input: the twelve files of csv-spectrum, by their meaning."""

from __future__ import annotations

import json

import pytest
from tests.support.reading import Files, columns, rows

Cell = str | None

NAMES = ("first", "last", "address", "city", "zip")
ADDRESS = ("Ada", "Moss", "12, Mill Lane", "Ely", "00123")
POINT = {"type": "Point", "coordinates": [102.0, 0.5]}

SPECTRUM: dict[str, tuple[str, tuple[str, ...], list[tuple[Cell, ...]]]] = {
    "comma in quotes": ('first,last,address,city,zip\nAda,Moss,"12, Mill Lane",Ely,00123\n', NAMES, [ADDRESS]),
    "empty": ('a,b,c\n1,"",""\n2,3,4\n', ("a", "b", "c"), [("1", "", ""), ("2", "3", "4")]),
    "empty crlf": ('a,b,c\r\n1,"",""\r\n2,3,4\r\n', ("a", "b", "c"), [("1", "", ""), ("2", "3", "4")]),
    "escaped quotes": ('a,b\n1,"says ""ha"" twice"\n3,4\n', ("a", "b"), [("1", 'says "ha" twice'), ("3", "4")]),
    "json": (
        'key,val\n1,"{""type"": ""Point"", ""coordinates"": [102.0, 0.5]}"\n',
        ("key", "val"),
        [("1", json.dumps(POINT))],
    ),
    "location coordinates": (
        'lat,lon,place\n"45,5","-73,6","Place (45.5, -73.6)"\n',
        ("lat", "lon", "place"),
        [("45,5", "-73,6", "Place (45.5, -73.6)")],
    ),
    "newlines": ('a,b,c\n1,2,3\n"Once upon \na time",5,6\n7,8,9\n', ("a", "b", "c"),
                 [("1", "2", "3"), ("Once upon \na time", "5", "6"), ("7", "8", "9")]),
    "newlines crlf": ('a,b,c\r\n1,2,3\r\n"Once upon \r\na time",5,6\r\n7,8,9\r\n', ("a", "b", "c"),
                      [("1", "2", "3"), ("Once upon \r\na time", "5", "6"), ("7", "8", "9")]),
    "quotes and newlines": ('a,b\n1,"ha \n""ha"" \nha"\n3,4\n', ("a", "b"), [("1", 'ha \n"ha" \nha'), ("3", "4")]),
    "simple": ("a,b,c\n1,2,3\n", ("a", "b", "c"), [("1", "2", "3")]),
    "simple crlf": ("a,b,c\r\n1,2,3\r\n", ("a", "b", "c"), [("1", "2", "3")]),
    "utf8": ("a,b,c\n1,2,3\n4,5,ʤ\n", ("a", "b", "c"), [("1", "2", "3"), ("4", "5", "ʤ")]),
}  # fmt: skip


@pytest.mark.parametrize("name", SPECTRUM)
@pytest.mark.parametrize("ended", [True, False], ids=["ended", "cut short"])
def test_case_c3_every_file_of_the_spectrum_means_what_it_should(files: Files, name: str, ended: bool) -> None:
    text, header, expected = SPECTRUM[name]
    reader = files.open((text if ended else text.rstrip("\r\n")).encode())
    assert reader.header == header
    assert rows(reader, columns(reader)) == expected
