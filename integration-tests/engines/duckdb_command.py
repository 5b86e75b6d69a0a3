"""DuckDB's command line as the documentation uses it, on the embedded DuckDB: `duckdb_command.py -c
SQL`. Prints the rows of every statement, cells apart by a blank. `INSTALL` finds the extensions that
came as Python packages, so nothing is downloaded.
"""

import importlib
import pathlib
import sys
import tempfile

import duckdb

(flag, sql) = sys.argv[1:]
assert flag == "-c", flag
probe = duckdb.connect()
version = probe.execute("SELECT library_version FROM pragma_version()").fetchone()[0]
platform = probe.execute("PRAGMA platform").fetchone()[0]
with tempfile.TemporaryDirectory() as extensions:
    folder = pathlib.Path(extensions, version, platform)
    folder.mkdir(parents=True)
    for name in ("avro", "httpfs", "iceberg"):
        package = pathlib.Path(importlib.import_module(f"duckdb_extension_{name}").__file__).parent
        (extension,) = package.rglob(f"{name}.duckdb_extension")
        (folder / extension.name).symlink_to(extension)
    connection = duckdb.connect(config={"extension_directory": extensions})
    for statement in connection.extract_statements(sql):
        for row in connection.execute(statement).fetchall():
            print(*row)
