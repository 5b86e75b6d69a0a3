"""pyiceberg as a writer of tables of its own: `pyiceberg_author.py CATALOG_URI`. The operations have
the names and arguments of iceberg-java/Driver.java: the tests ask both the same things.
"""

import sys

import pyarrow
import shell
from pyiceberg.catalog import load_catalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import BucketTransform
from pyiceberg.types import LongType, NestedField, StringType

catalog = load_catalog("strom", type="rest", uri=sys.argv[1])
SCHEMA = Schema(
    NestedField(1, "id", LongType(), required=True),
    NestedField(2, "name", StringType(), required=False),
)


def namespace(request):
    return tuple(request["namespace"].split("."))


def load(request):
    return catalog.load_table(request["table"])


def arrow(rows):
    fields = [pyarrow.field("id", pyarrow.int64(), nullable=False), ("name", pyarrow.string())]
    columns = {"id": [row[0] for row in rows], "name": [row[1] for row in rows]}
    return pyarrow.table(columns, schema=pyarrow.schema(fields))


def create_staged(request):
    """Creates the table and its first rows in one transaction."""
    spec = PartitionSpec(PartitionField(1, 1000, BucketTransform(2), "id_bucket"))
    properties = {"format-version": request.get("version", "2")}
    made = catalog.create_table_transaction(
        request["table"], schema=SCHEMA, partition_spec=spec, properties=properties
    )
    with made as transaction:
        transaction.append(arrow(request["rows"]))


def rows(request):
    found = load(request).scan(selected_fields=("id", "name")).to_arrow().sort_by("id")
    return [(row["id"], row["name"]) for row in found.to_pylist()]


def add_column(request):
    with load(request).update_schema() as update:
        update.add_column(request["column"], StringType())


def partition(request):
    with load(request).update_spec() as update:
        update.add_field(request.get("by", "id"), BucketTransform(4), "bucket_4")


def set_property(request):
    with load(request).transaction() as transaction:
        transaction.set_properties({request["key"]: request["value"]})


def drop(request):
    if request.get("purge"):
        catalog.purge_table(request["table"])
    else:
        catalog.drop_table(request["table"])


def expire(request):
    table = load(request)
    current = table.current_snapshot().snapshot_id
    old = [each.snapshot_id for each in table.snapshots() if each.snapshot_id != current]
    table.maintenance.expire_snapshots().by_ids(old).commit()


def stale(request):
    """Two changes built on one state: the second must find that its state is gone."""
    first, second = load(request), load(request)
    with first.update_schema() as update:
        update.add_column("first", LongType())
    try:
        with second.update_schema() as update:
            update.add_column("second", LongType())
    except CommitFailedException as refused:
        return [(f"CommitFailedException: {refused}",)]
    return [("committed",)]


OPERATIONS = {
    "create_namespace": lambda r: catalog.create_namespace(namespace(r), {"owner": "python"}),
    "drop_namespace": lambda r: catalog.drop_namespace(namespace(r)),
    "set_namespace": lambda r: catalog.update_namespace_properties(
        namespace(r), updates={"color": "blue"}
    ),
    "namespace": lambda r: [(str(dict(sorted(catalog.load_namespace_properties(namespace(r)).items()))),)],
    "namespaces": lambda r: [(".".join(name),) for name in catalog.list_namespaces()],
    "tables": lambda r: sorted((name[-1],) for name in catalog.list_tables(namespace(r))),
    "create": lambda r: catalog.create_table(r["table"], schema=SCHEMA),
    "create_staged": create_staged,
    "append": lambda r: load(r).append(arrow(r["rows"])),
    "rows": rows,
    "add_column": add_column,
    "partition": partition,
    "set_property": set_property,
    "properties": lambda r: [(str(load(r).properties),)],
    "rename": lambda r: catalog.rename_table(r["table"], r["to"]),
    "drop": drop,
    "register": lambda r: catalog.register_table(r["table"], r["location"]),
    "metadata_location": lambda r: [(load(r).metadata_location,)],
    "expire": expire,
    "snapshots": lambda r: [(each.snapshot_id,) for each in load(r).snapshots()],
    "stale": stale,
}


def answer(request):
    found = OPERATIONS[request["op"]](request)
    return found if isinstance(found, list) else []


pyarrow.set_cpu_count(1)
shell.serve(answer)
