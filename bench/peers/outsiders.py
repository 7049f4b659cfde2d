"""The others, each as its documentation says: run in their own environment; says how many seconds it took.

Arguments: who, and a JSON object of `url`, `file`, `format`, `table`, `columns` and `null`. Time is taken after
the imports, from the file to the last commit; for programs from their start to their end.
"""

# mypy: ignore-errors
# ruff: noqa: PLC0415, ICN001  (each imports only its own, so that nobody waits for the others')

from __future__ import annotations

import csv
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

SCANNERS = {"mysql": "mysql_scanner", "postgresql": "postgres_scanner", "sqlite": "sqlite_scanner"}
CHUNK_ROWS = 10_000


def duckdb(job: dict) -> float:
    import duckdb

    begun = time.perf_counter()
    con = duckdb.connect()
    kind = urlsplit(job["url"]).scheme
    name = SCANNERS[kind]
    package = Path(importlib.import_module(f"duckdb_extension_{name}").__file__).parent
    con.execute(f"LOAD '{next(package.glob(f'extensions/*/{name}.duckdb_extension'))}'")
    con.execute(f"ATTACH '{_attached(job['url'])}' AS target (TYPE {name.removesuffix('_scanner')})")
    schema = "public." if kind == "postgresql" else ""
    columns = ", ".join(f'"{name}"' for name in job["columns"])
    con.execute(f"INSERT INTO target.{schema}{job['table']} ({columns}) SELECT {columns} FROM {_read(job)}")
    con.close()
    return time.perf_counter() - begun


def _read(job: dict) -> str:
    if job["format"] == "parquet":
        return f"read_parquet('{job['file']}')"
    types = ", ".join(f"'{name}': '{kind.upper()}'" for name, kind in job["columns"].items())
    return (
        f"read_csv('{job['file']}', header=true, nullstr='{job['null']}', quote='\"', escape='\"', columns={{{types}}})"
    )


def _attached(url: str) -> str:
    at = urlsplit(url)
    if at.scheme == "sqlite":
        return at.path.removeprefix("/")
    words = {"host": "127.0.0.1", "port": at.port, "user": at.username, "password": unquote(at.password)}
    words["dbname" if at.scheme == "postgresql" else "database"] = at.path.removeprefix("/")
    return " ".join(f"{name}={value}" for name, value in words.items())


def _engine(url: str):
    from sqlalchemy import create_engine

    drivers = {"mysql:": "mysql+pymysql:", "postgresql:": "postgresql+psycopg2:"}
    for scheme, driver in drivers.items():
        url = url.replace(scheme, driver, 1) if url.startswith(scheme) else url
    return create_engine(url)


def pandas(job: dict) -> float:
    import pandas

    engine = _engine(job["url"])
    begun = time.perf_counter()
    with engine.begin() as connection:
        frame = pandas.read_csv(job["file"])
        frame.to_sql(job["table"], connection, if_exists="append", index=False, chunksize=CHUNK_ROWS)
    return time.perf_counter() - begun


def orm(job: dict) -> float:
    """The demo's way: one object for each row is added to the session, and all are committed."""
    from sqlalchemy import Column, Integer, String
    from sqlalchemy.orm import Session, declarative_base

    class Row(declarative_base()):
        __tablename__ = job["table"]
        id = Column(Integer, primary_key=True)
        field1 = Column(String(50))
        field2 = Column(String(50))

    engine = _engine(job["url"])
    begun = time.perf_counter()
    with Session(engine) as session, Path(job["file"]).open() as lines:
        for row in csv.DictReader(lines):
            session.add(Row(**row))
        session.commit()
    return time.perf_counter() - begun


def dlt(job: dict) -> float:
    """Rows as it takes them from a Python iterator, into a table that it makes."""
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    import dlt

    engine = _engine(job["url"])
    engine.dispose()
    destination = dlt.destinations.sqlalchemy(job["url"].replace("mysql:", "mysql+pymysql:"))
    if job["url"].startswith("postgresql:"):
        destination = dlt.destinations.postgres(job["url"])

    def rows():
        with Path(job["file"]).open() as lines:
            yield from csv.DictReader(lines)

    with tempfile.TemporaryDirectory() as directory:
        name = _schema(job["url"])
        pipeline = dlt.pipeline("bench", pipelines_dir=directory, destination=destination, dataset_name=name)
        begun = time.perf_counter()
        pipeline.run(rows(), table_name=job["table"], write_disposition="append").raise_on_failed_jobs()
        return time.perf_counter() - begun


def _schema(url: str) -> str:
    """Where the harness looks for the table."""
    at = urlsplit(url)
    return {"postgresql": "public", "sqlite": "main"}.get(at.scheme, at.path.removeprefix("/"))


def csvsql(job: dict) -> float:
    url = str(_engine(job["url"]).url.render_as_string(hide_password=False))
    command = [str(Path(sys.executable).with_name("csvsql")), "--db", url, "--insert", "--no-create", "--no-inference"]
    return _run([*command, "--tables", job["table"], "--chunk-size", str(CHUNK_ROWS), job["file"]])


def pgloader(job: dict) -> float:
    columns = ", ".join(job["columns"])
    at = urlsplit(job["url"])
    os.environ["PGPASSWORD"] = unquote(at.password)  # it does not take percent signs for an encoding
    url = f"postgresql://{at.username}@{at.hostname}:{at.port}{at.path}"
    script = (
        f"LOAD CSV FROM '{job['file']}' ({columns}) INTO {url} TARGET TABLE public.{job['table']} ({columns})\n"
        "WITH skip header = 1, fields terminated by ',', fields optionally enclosed by '\"';\n"
    )
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "bench.load").write_text(script)
        return _run(["pgloader", "--root-dir", directory, str(Path(directory) / "bench.load")])


def _run(command: list[str]) -> float:
    begun = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command[0]}: {(done.stderr or done.stdout)[-600:]}")
    return time.perf_counter() - begun


if __name__ == "__main__":
    print(json.dumps({"seconds": globals()[sys.argv[1]](json.loads(sys.argv[2]))}))
