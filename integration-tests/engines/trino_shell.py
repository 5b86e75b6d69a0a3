"""SQL on a running Trino: `trino_shell.py PORT CATALOG_URI CATALOG STORAGE`. Creates the catalog
CATALOG over the Iceberg REST catalog at CATALOG_URI, with the file system that the JSON object
STORAGE configures; names without a catalog are looked up in its schema `kafka`. Requests:
{"sql": text}.
"""

import json
import sys

import shell
import trino

port, uri, catalog = int(sys.argv[1]), sys.argv[2], sys.argv[3]


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def execute(connection, sql):
    cursor = connection.cursor()
    cursor.execute(sql)
    return cursor.fetchall()


def error_text(error):
    """Trino's message with those of its causes: what the CLI shows with --debug."""
    texts, info = [str(error)], getattr(error, "_error", None)
    cause = (info or {}).get("failureInfo")
    while cause:
        texts.append(str(cause.get("message")))
        cause = cause.get("cause")
    return " | caused by: ".join(texts)


properties = {
    "iceberg.catalog.type": "rest",
    "iceberg.rest-catalog.uri": uri,
    **json.loads(sys.argv[4]),
}
listed = ", ".join(f'"{name}" = {quoted(value)}' for name, value in properties.items())
execute(
    trino.dbapi.connect(host="127.0.0.1", port=port, user="strom"),
    f'CREATE CATALOG "{catalog}" USING iceberg WITH ({listed})',
)
session = trino.dbapi.connect(
    host="127.0.0.1", port=port, user="strom", catalog=catalog, schema="kafka", timezone="UTC"
)
shell.serve(lambda request: execute(session, request["sql"]), error_text)
