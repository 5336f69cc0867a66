from __future__ import annotations

from typing import Any

import pytest
from google.api import field_behavior_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from memporium_platform.errors import PlatformError
from memporium_platform.rpc.method_table import NoAccessOptionError, rows_of
from memporium_platform.rpc.required import compile_check

_Field = descriptor_pb2.FieldDescriptorProto
REQUIRED = field_behavior_pb2.REQUIRED


def build() -> Any:
    """Make message types with required fields of every kind, one of them recursive, and two faulty services."""
    file = descriptor_pb2.FileDescriptorProto(name="required_test.proto", package="required.test", syntax="proto3")
    file.dependency.append("google/api/field_behavior.proto")

    def add(message: Any, name: str, number: int, kind: int, **more: Any) -> Any:
        required = more.pop("required", False)
        label = _Field.LABEL_REPEATED if more.pop("repeated", False) else _Field.LABEL_OPTIONAL
        field = message.field.add(name=name, number=number, type=kind, label=label, **more)
        if required:
            field.options.Extensions[field_behavior_pb2.field_behavior].append(REQUIRED)
        return field

    node = file.message_type.add(name="Node")
    add(node, "label", 1, _Field.TYPE_STRING, required=True)
    add(node, "child", 2, _Field.TYPE_MESSAGE, type_name=".required.test.Node")
    add(node, "count", 3, _Field.TYPE_INT32, required=True)
    free = file.message_type.add(name="Free")
    add(free, "text", 1, _Field.TYPE_STRING)
    enum = file.enum_type.add(name="Kind")
    enum.value.add(name="KIND_UNSPECIFIED", number=0)
    enum.value.add(name="KIND_A", number=1)
    request = file.message_type.add(name="Request")
    add(request, "node", 1, _Field.TYPE_MESSAGE, type_name=".required.test.Node", required=True)
    add(request, "names", 2, _Field.TYPE_STRING, repeated=True, required=True)
    add(request, "kind", 3, _Field.TYPE_ENUM, type_name=".required.test.Kind", required=True)
    add(request, "free", 4, _Field.TYPE_MESSAGE, type_name=".required.test.Free")
    entry = request.nested_type.add(name="ByKeyEntry")
    entry.options.map_entry = True
    add(entry, "key", 1, _Field.TYPE_STRING)
    add(entry, "value", 2, _Field.TYPE_MESSAGE, type_name=".required.test.Node")
    add(request, "by_key", 5, _Field.TYPE_MESSAGE, type_name=".required.test.Request.ByKeyEntry", repeated=True)
    update = file.message_type.add(name="Update")
    add(update, "node", 1, _Field.TYPE_MESSAGE, type_name=".required.test.Node", required=True)
    add(update, "update_mask", 2, _Field.TYPE_STRING)
    bare = file.service.add(name="NoOptionService")
    bare.method.add(name="Do", input_type=".required.test.Free", output_type=".required.test.Free")
    descriptor_pool.Default().AddSerializedFile(file.SerializeToString())
    return lambda name: message_factory.GetMessageClass(
        descriptor_pool.Default().FindMessageTypeByName(f"required.test.{name}")
    )


CLASS = build()
Request, Node, Update, Free = (CLASS(name) for name in ("Request", "Node", "Update", "Free"))


def missing(message: Any) -> list[str]:
    try:
        compile_check(message.DESCRIPTOR)(message)
    except PlatformError as error:
        return [wrong.field for wrong in error.fields]
    return []


def test_every_missing_field_is_named() -> None:
    assert missing(Request()) == ["node", "names", "kind"]


def test_what_is_set_is_looked_into() -> None:
    request = Request(node=Node(child=Node(child=Node(label="x"))), names=["a"], kind=1)
    assert missing(request) == ["node.label", "node.child.label"]


def test_map_values_are_looked_into() -> None:
    request = Request(node=Node(label="x"), names=["a"], kind=1)
    request.by_key["k"].count = 1
    assert missing(request) == ["by_key[k].label"]


def test_a_complete_request_passes_and_zero_numbers_count_as_given() -> None:
    assert missing(Request(node=Node(label="x"), names=["a"], kind=1)) == []
    assert missing(Free()) == []


def test_below_an_updates_resource_the_mask_decides() -> None:
    assert missing(Update()) == ["node"]
    assert missing(Update(node=Node())) == []


def test_a_method_without_access_option_is_not_taken() -> None:
    with pytest.raises(NoAccessOptionError):
        rows_of("required.test.NoOptionService")
