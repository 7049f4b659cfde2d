"""`rescind inspect`: reads a file without a service."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from cyclopts import App

from rescind.cli.main import main
from rescind.cli.reading import Reading, arguments
from rescind.readers.options import Format, Options

NOTHING_SAID = Reading()

GERMAN = "Datum;Betrag;Name\n31.01.2024;1234,50;Müller\n01.02.2024;-2,5;\n"


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESCIND_URL", "http://127.0.0.1:9")  # the discard port: nothing listens there


@pytest.fixture
def german(tmp_path: Path) -> Path:
    file = tmp_path / "umsätze.csv.gz"
    file.write_bytes(gzip.compress(GERMAN.encode()))
    return file


def test_a_person_is_told_what_a_file_holds_and_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "my file.csv"
    file.write_text("id,price\n1,2.5\n2,\nx,3\n")
    assert main(["inspect", str(file)]) == 0
    printed = capsys.readouterr().out
    lines = [line.split() for line in printed.splitlines()]
    assert printed.startswith(
        'my file.csv is CSV, separated by a comma, quoted with ", in UTF-8; all 3 records were read'
    )
    assert ["id", "text", "0", "record", "3", "is", "no", "integer,", "real:", "x;"] in [line[:10] for line in lines]
    assert ["price", "real", "1", "record", "1:", "2.5"] in lines
    assert ["2", "NULL"] in lines
    assert f"rescind load '{file}' --into my_file --create\n" in printed


def test_what_a_file_needs_is_proposed(german: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(german)]) == 0
    printed = capsys.readouterr().out
    assert "It seems to need delimiter=;: 3 of the first 3 lines" in printed
    assert "decimal=,:" in printed
    assert "date_format=%d.%m.%Y:" in printed
    assert "2024-01-31  1234.5  Müller" in printed


def test_the_command_that_loads_it_says_all_that_it_needs(german: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(german), "--encoding", "windows-1252"]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.endswith(
        "--into 'umsätze' --create --delimiter ';' --decimal , --date-format %d.%m.%Y --encoding windows-1252"
    )


@pytest.mark.parametrize(
    "options",
    [
        Options(header=False, delimiter="\t", quote="", null=("", "-", "n/a")),
        Options(format=Format.csv, delimiter="-", quote="'", null=("-",), encoding="utf-16"),
        Options(format=Format.xlsx, sheet="--json"),
        Options(decimal=",", date_format="%d.%m.%Y %H:%M"),
        Options(),
    ],
)
def test_options_are_said_so_that_a_command_reads_the_same(options: Options) -> None:
    heard: list[Options] = []
    app = App(result_action="return_value")

    @app.default
    def _(reading: Reading = NOTHING_SAID) -> None:
        heard.append(reading.options())

    app(arguments(options), exit_on_error=False)
    assert heard == [options]


def test_as_json(german: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(german), "--json", "--decimal", ","]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["options"] == {"delimiter": ";", "decimal": ",", "date_format": "%d.%m.%Y"}
    assert [proposal["option"] for proposal in found["proposals"]] == ["delimiter", "date_format"]
    assert found["rows"][1] == {"Datum": "2024-02-01", "Betrag": -2.5, "Name": None}
    assert found["table"]["name"] == "umsätze"
    assert (found["compression"], found["whole"], found["records"]) == ("gzip", True, 2)


def test_rows_that_do_not_fit_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1\n2,3\n")
    assert main(["inspect", str(tmp_path / "x.csv")]) == 0
    assert "record 1: 1 fields where 2 are expected ('1')" in capsys.readouterr().out


def test_what_is_said_of_a_file_is_obeyed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x").write_bytes("1\tcaf\xe9\t-\n".encode("latin-1"))
    said = ["--no-header", "--delimiter", "tab", "--encoding", "latin-1", "--null", ",-", "--quote", ""]
    assert main(["inspect", str(tmp_path / "x"), *said, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == [{"column1": 1, "column2": "café", "column3": None}]


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--delimiter", "ab"], 2, "--delimiter: one ASCII character that ends no line is expected."),
        (["--date-format", "%q"], 2, "--date-format: %q is not known"),
        (["--encoding", "nonsense"], 2, "--encoding: there is no encoding 'nonsense'"),
        (["--delimiter", "'", "--quote", "'"], 1, "the delimiter and the quote are the same character."),
        (["--sheet", "x"], 1, "has no option sheet"),
        (["--encoding", "ascii"], 1, "is not ascii"),
    ],
)
def test_what_cannot_be_is_told(
    tmp_path: Path, options: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.csv").write_text("a,b\nä,1\n")
    assert main(["inspect", str(tmp_path / "x.csv"), *options]) == code
    assert said in capsys.readouterr().err


def test_a_file_that_is_not_there_or_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (tmp_path / "none", tmp_path):
        assert main(["inspect", str(path)]) == 2
        assert "cannot be read" in capsys.readouterr().err


def test_every_option_of_a_file_can_be_said() -> None:
    said = Reading(no_header=True, delimiter=";", null="a,b").said()
    assert said == {"header": "false", "delimiter": ";", "null": "a,b"}
    names = {*Reading.__dataclass_fields__} - {"no_header"} | {"header"}
    assert names == {*Options.model_fields}
