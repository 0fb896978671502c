"""Validates configurations against a JSON Schema, with a validator and a reader of YAML that are not ours.

Reads one JSON object from standard input: `schema`, and `configurations`, a list of texts in YAML, each with `name`, `yaml` and `partial`
(whether it is only a part of a configuration). Writes a list with the mistakes of each: the path to them as JSON pointers have it, and
what the validator says.
"""

import json
import sys

import jsonschema
import yaml

REST = {"pipelines": {"traces": {"exporters": ["debug"]}}}


def mistakes(validator, configuration):
    config = yaml.safe_load(configuration["yaml"])
    if configuration["partial"]:
        service = config.setdefault("service", REST)
        service.setdefault("pipelines", REST["pipelines"])
    errors = validator.iter_errors(config)
    return [["".join(f"/{step}" for step in error.absolute_path), error.message[:300]] for error in errors]


def main():
    asked = json.load(sys.stdin)
    draft = jsonschema.Draft202012Validator
    if asked["schema"]["$schema"] != draft.META_SCHEMA["$schema"]:
        sys.exit("the schema names another draft")
    draft.check_schema(asked["schema"])
    validator = draft(asked["schema"])
    json.dump([mistakes(validator, configuration) for configuration in asked["configurations"]], sys.stdout)


main()
