import json

import pytest

from memporium.inference.v1 import generate_pb2
from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.convert.calls import generate_call
from memporium_services.inference.settings import InferenceSettings

SCHEMA = json.dumps({"type": "object", "properties": {"sky": {"type": "string"}}})


def asked(schema):
    request = generate_pb2.GenerateRequest(prompt="colour?", json_schema=schema)
    return generate_call(request, InferenceSettings()).sampling.json_schema


def test_a_schema_of_an_object_goes_to_the_model_as_it_is():
    assert asked(SCHEMA) == SCHEMA
    assert asked("") == ""


@pytest.mark.parametrize(
    "schema", ["{", "[]", '"object"', "{}", '{"type": "array"}', "[" * 10_000, SCHEMA + " " * 16_384]
)
def test_what_is_no_schema_of_an_object_is_refused(schema):
    with pytest.raises(PlatformError) as caught:
        asked(schema)
    assert caught.value.reason is Reason.INVALID_FIELD
    assert caught.value.fields[0].field == "json_schema"
