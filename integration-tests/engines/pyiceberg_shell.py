"""pyiceberg over the catalog: `pyiceberg_shell.py CATALOG_URI`. Requests name an operation
({"op": "rows", "table": "orders"}); every one loads its table anew, which is when pyiceberg asks
the catalog. Tables are those of namespace `kafka`, unless the name has a dot.
"""

import sys

import pyarrow
import pyarrow.compute as compute
import shell
from pyiceberg.catalog import load_catalog
from pyiceberg.types import LongType

catalog = load_catalog("strom", type="rest", uri=sys.argv[1])
COLUMNS = ["__partition", "__offset", "__timestamp", "key", "value", "__headers"]


def load(request):
    name = request["table"]
    return catalog.load_table(name if "." in name else f"kafka.{name}")


def rows(request):
    table = load(request).scan().to_arrow().select(COLUMNS)
    table = table.sort_by([("__partition", "ascending"), ("__offset", "ascending")])
    return [tuple(row.values()) for row in table.to_pylist()]


def totals(request):
    """The same five numbers that the SQL engines are asked for."""
    table = load(request).scan(selected_fields=("__partition", "__offset", "value")).to_arrow()
    distinct = table.group_by(["__partition", "__offset"]).aggregate([]).num_rows
    value_bytes = compute.sum(compute.binary_length(table["value"])).as_py()
    offsets = compute.sum(table["__offset"]).as_py()
    valued = table.num_rows - table["value"].null_count
    return [(table.num_rows, distinct, offsets or 0, value_bytes or 0, valued)]


def ends(request):
    table = load(request).scan(selected_fields=("__partition", "__offset")).to_arrow()
    found = table.group_by("__partition").aggregate([("__offset", "count"), ("__offset", "max")])
    found = found.sort_by("__partition")
    return [
        (row["__partition"], row["__offset_count"], row["__offset_max"]) for row in found.to_pylist()
    ]


def write(request):
    """Attempts one write; the catalog is expected to refuse all of them."""
    table, kind = load(request), request["kind"]
    if kind == "append":
        table.append(table.scan(limit=1).to_arrow())
    elif kind == "drop":
        catalog.drop_table(table.name())
    elif kind == "alter":
        with table.update_schema() as update:
            update.add_column("extra", LongType())
    elif kind == "create":
        catalog.create_table("kafka.made_by_pyiceberg", schema=table.schema())
    else:
        raise ValueError(f"unknown kind of write {kind}")
    return []


def files(request):
    """Spec, partition (values by field name) and records of every data file."""
    found = load(request).inspect.files().to_pylist()
    specs = load(request).specs()

    def partition(file):
        names = [field.name for field in specs[file["spec_id"]].fields]
        return [[name, file["partition"][name]] for name in names]

    return [(file["spec_id"], partition(file), file["record_count"]) for file in found]


OPERATIONS = {
    "rows": rows,
    "totals": totals,
    "ends": ends,
    "write": write,
    "tables": lambda request: sorted((name,) for _, name in catalog.list_tables("kafka")),
    "namespaces": lambda request: [(".".join(name),) for name in catalog.list_namespaces()],
    "exists": lambda request: [(catalog.table_exists(f"kafka.{request['table']}"),)],
    "columns": lambda request: [
        (field.name, str(field.field_type)) for field in load(request).schema().fields
    ],
    "spec": lambda request: [
        (field.name, str(field.transform)) for field in load(request).spec().fields
    ],
    "files": files,
    "config": lambda request: sorted(load(request).config.items()),
    "snapshots": lambda request: [(each.snapshot_id,) for each in load(request).metadata.snapshots],
    "count_at": lambda request: [(load(request).scan(snapshot_id=request["snapshot"]).count(),)],
}

pyarrow.set_cpu_count(1)
shell.serve(lambda request: OPERATIONS[request["op"]](request))
