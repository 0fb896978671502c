"""Whether dashboards are what Grafana reads: `grafana.py FILE ...` prints each key that its types do not have or take otherwise.

The types are Grafana's own, as its Foundation SDK generates them of the schemas of dashboards, panels and queries. A file is read into
them and written again: a key that they do not know is gone then, and one of the wrong kind fails or comes back as something else. Queries to Jaeger have no schema there: they pass as they are.
"""

import json
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard


def missing(wanted, read, path):
    """What of `wanted` is not in `read`, or is something else there."""
    if isinstance(wanted, dict) and isinstance(read, dict):
        for key, value in wanted.items():
            if key in read:
                yield from missing(value, read[key], f"{path}.{key}")
            elif value not in (None, [], {}):
                yield f"{path}.{key} is not known"
    elif isinstance(wanted, list) and isinstance(read, list):
        if len(wanted) != len(read):
            yield f"{path} has {len(read)} entries of {len(wanted)}"
        for number, (value, other) in enumerate(zip(wanted, read, strict=False)):
            yield from missing(value, other, f"{path}[{number}]")
    elif wanted != read:
        yield f"{path} is read as {read!r} instead of {wanted!r}"


def mistakes(path):
    with open(path, encoding="utf-8") as file:
        wanted = json.load(file)
    try:
        read = json.loads(json.dumps(Dashboard.from_json(wanted), cls=JSONEncoder))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return [f"{path}: {error!r}"]
    return list(missing(wanted, read, path))


def main(paths):
    register_default_plugins()
    found = [mistake for path in paths for mistake in mistakes(path)]
    print("\n".join(found))
    sys.exit(bool(found))


if __name__ == "__main__":
    main(sys.argv[1:])
