"""YAML as JSON: `as_json.py FILE ...` prints a list with each file's content, references and merged keys resolved."""

import json
import sys

import yaml


def content(path):
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)


print(json.dumps([content(path) for path in sys.argv[1:]]))
