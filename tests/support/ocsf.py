"""The schema that published anomalies are held to."""

from functools import cache

from jsonschema_rs import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from gatewatch.core import ocsf


@cache
def finding_schema() -> Draft202012Validator:
    """A Detection Finding of the pinned version."""
    embedded = OcsfJsonSchemaEmbedded(get_ocsf_schema(ocsf.SCHEMA_VERSION))
    return Draft202012Validator(embedded.get_class_schema("detection_finding"))
