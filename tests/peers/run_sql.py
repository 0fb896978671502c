"""Runs the query on standard input in DuckDB, and prints how many rows and columns it gives."""

import sys

import duckdb

connection = duckdb.connect()
connection.sql("set timezone = 'UTC'")
result = connection.sql(sys.stdin.read())
print(len(result.fetchall()), len(result.columns))
