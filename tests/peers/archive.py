"""Reads files of columns as their users do, and prints a row on each line, as JSON.

    archive.py duckdb|pyarrow|ipc FOLDER SIGNAL

Times are nanoseconds, maps lists of pairs, doubles their bits in hex; columns without a value are left out.
"""

import glob
import json
import struct
import sys

reader, folder, signal = sys.argv[1:4]


def files(extension):
    return sorted(glob.glob(f"{folder}/**/{signal}-*.{extension}", recursive=True))


def duckdb_rows():
    import duckdb

    connection = duckdb.connect()
    if not files("parquet"):
        return
    # Partitions would be columns of their own.
    source = f"read_parquet('{folder}/**/{signal}-*.parquet', hive_partitioning = false)"
    columns = []
    for name, kind, *_ in connection.sql(f"describe select * from {source}").fetchall():
        if kind == "TIMESTAMPTZ_NS":
            columns.append(f"epoch_ns({name}) as {name}")
        elif name in ("events", "exemplars"):
            assert "TIMESTAMPTZ_NS" in kind, kind
            fields = connection.sql(f"select unnest({name}[1]) from {source} limit 0").columns
            value = lambda field: f'epoch_ns(e."{field}")' if field == "time" else f'e."{field}"'
            fields = ", ".join(f'"{field}" := {value(field)}' for field in fields)
            columns.append(f"list_transform({name}, lambda e: struct_pack({fields})) as {name}")
        else:
            columns.append(name)
    result = connection.sql(f"select {', '.join(columns)} from {source}")
    names = result.columns
    for row in result.fetchall():
        yield dict(zip(names, row))


def pyarrow_rows(extension):
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import ipc

    def numbers(kind):
        """The type with numbers for times."""
        if pa.types.is_timestamp(kind):
            assert kind == pa.timestamp("ns", "UTC"), kind
            return pa.int64()
        if pa.types.is_list(kind):
            return pa.list_(kind.value_field.with_type(numbers(kind.value_type)))
        if pa.types.is_struct(kind):
            return pa.struct([field.with_type(numbers(field.type)) for field in kind])
        return kind

    for path in files(extension):
        table = ipc.open_file(pa.memory_map(path)).read_all() if extension == "arrow" else pq.ParquetFile(path).read()
        table.validate(full=True)
        plain = pa.schema([field.with_type(numbers(field.type)) for field in table.schema])
        yield from table.cast(plain).to_pylist()


def shown(value, is_map=False):
    if isinstance(value, float):
        return "nan" if value != value else struct.pack(">d", value).hex()
    if isinstance(value, list):
        if is_map:
            return [[key, text] for key, text in value]
        return [shown(one) for one in value]
    if isinstance(value, dict):
        if is_map:
            return [[key, text] for key, text in value.items()]
        return {name: shown(one, name in MAPS) for name, one in value.items()}
    return value


MAPS = ("attributes", "resource_attributes", "scope_attributes", "metric_metadata")
rows = {"duckdb": duckdb_rows, "pyarrow": lambda: pyarrow_rows("parquet"), "ipc": lambda: pyarrow_rows("arrow")}[reader]
for row in rows():
    print(json.dumps({name: shown(value, name in MAPS) for name, value in row.items() if value is not None}))
