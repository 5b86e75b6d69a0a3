"""SQL on an embedded DuckDB: `duckdb_shell.py CATALOG_URI`. The Iceberg REST catalog is attached
as `ice`; names without a schema are looked up in `ice.kafka`. Requests: {"sql": text}.
"""

import importlib
import pathlib
import sys

import duckdb
import shell

connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
connection.execute("SET TimeZone = 'UTC'")
for name in ("avro", "httpfs", "iceberg"):
    # The extensions come as Python packages: nothing is downloaded when a query runs.
    package = pathlib.Path(importlib.import_module(f"duckdb_extension_{name}").__file__).parent
    (extension,) = package.rglob(f"{name}.duckdb_extension")
    connection.execute(f"LOAD '{extension}'")
connection.execute(f"ATTACH '' AS ice (TYPE iceberg, ENDPOINT '{sys.argv[1]}', AUTHORIZATION_TYPE 'none')")
connection.execute("USE ice.kafka")

shell.serve(lambda request: connection.execute(request["sql"]).fetchall())
