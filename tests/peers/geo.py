"""A case of `wasmill plugin test` out of a real MaxMind DB: `geo.py FOLDER` writes it.

The input has log records with addresses; what is to come out is what MaxMind's own reader finds for them in the same file, GeoLite2 City of
2015. This product includes GeoLite2 data created by MaxMind, available from https://www.maxmind.com.
"""

import ipaddress
import json
import pathlib
import sys

import _geoip_geolite2
import maxminddb

KNOWN = [
    "8.8.8.8", "81.2.69.142", "128.101.101.101", "203.0.113.7", "127.0.0.1", "0.0.0.0", "255.255.255.255",
    "2001:4860:4860::8888", "2a00:1450:4001:81b::200e", "::1", "::8.8.8.8", "", "8.8.8", "8.8.8.8:53", "shop.example.com",
]  # fmt: skip
DRAWN_V4, DRAWN_V6 = 300, 100
# The paths of the fields in the order in which the plugin sets them, and the attributes that it sets.
FIELDS = {
    "city.geoname_id": "geo.city.id",
    "city.names.en": "geo.city",
    "city.names.ja": "geo.city.ja",
    "country.iso_code": "geo.country",
    "location.latitude": "geo.latitude",
    "subdivisions.0.iso_code": "geo.subdivision",
}


def drawn():
    """Addresses that are spread over all of IPv4, and over the part of IPv6 that is in use: the same each time."""
    number = 7
    for at in range(DRAWN_V4 + DRAWN_V6):
        # Knuth's MMIX numbers.
        number = (number * 6364136223846793005 + 1442695040888963407) % 2**64
        yield str(ipaddress.ip_address(number >> 32) if at < DRAWN_V4 else ipaddress.ip_address((1 << 125) + (number << 61)))


def found(reader, address, path):
    """What is at a path of the record of an address; `None`: nothing."""
    try:
        # Strictly: the reader by itself takes `8.8.8` for 8.8.0.8, as C's `inet_aton` does.
        value = reader.get(ipaddress.ip_address(address))
    except ValueError:
        return None
    for step in path.split("."):
        if isinstance(value, list):
            value = value[int(step)] if int(step) < len(value) else None
        else:
            value = (value or {}).get(step)
    return value


def attribute(key, value):
    kind = {str: "stringValue", int: "intValue", float: "doubleValue"}[type(value)]
    return {"key": key, "value": {kind: value}}


def request(records):
    return json.dumps({"resourceLogs": [{"resource": {}, "scopeLogs": [{"scope": {}, "logRecords": records}]}]})


def main():
    folder = pathlib.Path(sys.argv[1])
    file = pathlib.Path(_geoip_geolite2.__file__).with_name("GeoLite2-City.mmdb")
    given, wanted, counts = [], [], dict.fromkeys(FIELDS, 0)
    with maxminddb.open_database(file) as reader:
        for address in [*KNOWN, *drawn()]:
            attributes = [attribute("client.address", address)]
            given.append({"attributes": list(attributes)})
            for path, key in FIELDS.items():
                value = found(reader, address, path)
                if value is not None:
                    attributes.append(attribute(key, value))
                    counts[path] += 1
            wanted.append({"attributes": attributes})
    folder.mkdir(parents=True)
    (folder / "input.json").write_text(request(given))
    (folder / "expected.json").write_text(request(wanted))
    config = {"table": "geo", "key": 'attributes["client.address"]', "set": {path: f'attributes["{key}"]' for path, key in FIELDS.items()}}
    case = {"tables": {"geo": {"file": str(file)}}, "config": config, "expect": {"rows": len(given)}}
    (folder / "case.yaml").write_text(json.dumps(case))
    print(json.dumps(counts))


main()
