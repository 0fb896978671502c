"""Whether a file is a compose file: `compose.py FILE` reads it into the types of the Compose Specification, and prints what is wrong."""

import json
import sys

import yaml
from compose_spec import PyCompose

with open(sys.argv[1], encoding="utf-8") as file:
    content = yaml.safe_load(file)
try:
    PyCompose.from_json(json.dumps(content)).to_spec()
except ValueError as error:
    sys.exit(f"{sys.argv[1]}: {error}")
