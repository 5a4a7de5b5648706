"""CITATION.cff is valid by the rules of the Citation File Format 1.2.0 that it touches, and agrees with the package."""

from __future__ import annotations

import tomllib
from pathlib import Path

import jsonschema
import pytest
import yaml

TEXT = {"type": "string", "minLength": 1}
PERSON = {
    "type": "object",
    "properties": {"family-names": TEXT, "given-names": TEXT, "orcid": TEXT, "affiliation": TEXT},
    "required": ["family-names"],
    "additionalProperties": False,
}
ENTITY = {
    "type": "object",
    "properties": {"name": TEXT, "website": TEXT, "email": TEXT},
    "required": ["name"],
    "additionalProperties": False,
}
AUTHORS = {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"anyOf": [PERSON, ENTITY]}}
IDENTIFIER = {
    "type": "object",
    "properties": {"type": {"enum": ["doi", "url", "swh", "other"]}, "value": TEXT, "description": TEXT},
    "required": ["type", "value"],
    "additionalProperties": False,
}
WEB = {"type": "string", "pattern": "^https?://"}
REFERENCE = {
    "type": "object",
    "properties": {
        "type": {"enum": ["article", "conference-paper", "software", "generic"]},
        "title": TEXT,
        "authors": AUTHORS,
        "year": {"type": "integer"},
        "identifiers": {"type": "array", "items": IDENTIFIER},
        "url": WEB,
    },
    "required": ["type", "title", "authors"],
    "additionalProperties": False,
}
SCHEMA = {
    "type": "object",
    "properties": {
        "cff-version": {"const": "1.2.0"},
        "message": TEXT,
        "type": {"enum": ["software", "dataset"]},
        "title": TEXT,
        "abstract": TEXT,
        "authors": AUTHORS,
        "version": TEXT,
        "date-released": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"},
        "license": {"enum": ["MIT"]},
        "keywords": {"type": "array", "minItems": 1, "uniqueItems": True, "items": TEXT},
        "references": {"type": "array", "minItems": 1, "items": REFERENCE},
        "url": WEB,
        "repository-code": WEB,
        "identifiers": {"type": "array", "items": IDENTIFIER},
    },
    "required": ["cff-version", "message", "title", "authors"],
    "additionalProperties": False,
}


@pytest.fixture
def citation(project: Path) -> dict:
    # Every scalar stays as it is written: a date is text in this format.
    return yaml.load((project / "CITATION.cff").read_text(encoding="utf-8"), Loader=_Plain)


class _Plain(yaml.SafeLoader):
    pass


_Plain.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if not tag.endswith(":timestamp")]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def test_the_citation_file_is_valid(citation):
    jsonschema.Draft202012Validator(SCHEMA).validate(citation)


@pytest.mark.parametrize("key", ["title", "authors", "message", "cff-version"])
def test_an_incomplete_citation_file_is_refused(citation, key):
    del citation[key]
    with pytest.raises(jsonschema.ValidationError, match=f"'{key}' is a required property"):
        jsonschema.Draft202012Validator(SCHEMA).validate(citation)


def test_it_names_the_version_of_the_package(citation, project):
    package = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["version"] == package["version"]
    assert citation["version"] in (project / "book" / "cite.md").read_text(encoding="utf-8")
    assert f"## {citation['version']}" in (project / "CHANGELOG.md").read_text(encoding="utf-8").replace(
        "[", ""
    ).replace("]", "")


def test_it_names_the_paper(citation):
    assert [reference["url"] for reference in citation["references"]] == ["https://arxiv.org/abs/2304.03717"]
