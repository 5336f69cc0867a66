"""Requests made by reflection: every field filled, names drawn from a pool of real resources, as random as asked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Protocol

from google.api import field_behavior_pb2
from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from random import Random

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

    from support.methods import Method

_DEPTH = 5
# What a text field of this name means.
_KINDS = {
    "vault": "vault", "mount_into": "vault", "cube": "cube", "cubes": "cube", "names": "cube", "source": "cube",
    "target": "cube", "source_cubes": "cube", "listing": "listing", "offer": "offer", "agreement": "agreement",
    "agreements": "agreement", "renews": "agreement", "release": "release", "bundle": "bundle", "provider": "org",
    "organisation": "org", "organisations": "org", "recipients": "org", "principal": "principal",
    "member": "principal", "owners": "principal", "subject": "principal", "negotiation": "negotiation",
    "resource": "cube", "object": "vault", "owner": "principal",
}  # fmt: skip
# What `name` of these methods and messages is, where the noun does not say it.
_NOUNS = {
    "Organisation": "org", "OrganisationKeys": "org", "ApiKey": "key", "CubeVersions": "cube", "Entitlement": "agreement",
    "RoleBinding": "binding", "Events": "subscription", "Bundle": "bundle",
    "Consent": "agreement", "Statement": "agreement",
}  # fmt: skip
_PARENTS = {
    "vault": {"CreateVault": "org", "ListVaults": "org", "SweepVaults": "org"},
    "memstore": {
        "CreateRelease": "listing", "ListReleases": "listing", "CreateOffer": "listing", "ListOffers": "listing",
        "ListUsage": "agreement", "RequestConsent": "agreement", "ListConsents": "agreement",
        "CreateStatement": "agreement", "ListStatements": "agreement", "ListSeats": "agreement",
        "ReleaseSeat": "agreement",
    },
    "governance": {"CreateApiKey": "principal", "ListApiKeys": "principal"},
    "scheduler": {"PlanPlacement": "vault", "PlanConversions": "vault"},
    "inference": {"ReadTierTrace": "org", "GetTierUsage": "org"},
}  # fmt: skip
_PARENT = {"vault": "vault", "reader": "vault", "inference": "vault"}
_ACTIONS = ["vault.cubes.get", "governance.log.query", "a.b.c"]
_REQUEST_IDS = ["", "", "shared-request", "shared-notes", "another-request"]
_MODELS = ["", "hashing-384", "tiny-random", "no-such-model"]
_SPECIAL: dict[str, Sequence[str]] = {
    "model": _MODELS,
    "embedding_model": ["", "hashing-384", "no-such-model"],
    "action": _ACTIONS,
    "actions": _ACTIONS,
    "role": ["auditor", "guest", "agent"],
    "roles": ["auditor", "guest"],
    "version": ["1.0.0", "9.9.9"],
    "algorithms": ["Ed25519", "none", "HS256"],
    "attribute": ["purpose", "hour", "colour"],
    "paths": ["display_name", "descriptive.tags", "payload", "title", "audience", "*", "name", "no.such.path"],
    "sha256": ["ab" * 32, "zz"],
    "object": ["manifest", "segments/0", "../manifest", "*"],
    "strategy": ["", "heat", "no-such-strategy"],
}


class Names(Protocol):
    """Draws a resource name of a kind ("any": of any); `about`: it is what the method is about."""

    def __call__(self, kind: str, *, about: bool = False) -> str: ...


class Filler:
    """Fills requests.

    Attributes:
        rng: Decides everything.
        names: Draws a resource name of a kind; "" where there is none.
        texts: Other texts: questions, titles.
        tokens: Page tokens.
        etags: Etags.
        hostile: Share of values that are not even well formed.
        without: Fields that are left empty.
    """

    def __init__(
        self,
        rng: Random,
        names: Names,
        *,
        texts: Sequence[str] = ("the secret formula",),
        tokens: Sequence[str] = ("",),
        etags: Sequence[str] = ("",),
        digests: Sequence[str] = (),
        hostile: float = 0.0,
        without: Sequence[str] = (),
    ) -> None:
        self.rng = rng
        self.names = names
        self.texts = texts
        self.tokens = tokens
        self.etags = etags
        self.hostile = hostile
        self.without = frozenset(without)
        self.special: Mapping[str, Sequence[str]] = {**_SPECIAL, "sha256": [*_SPECIAL["sha256"], *digests]}

    def requests(self, method: Method) -> list[Message]:
        """Return the messages of one call."""
        if not method.shape.startswith("stream"):
            return [self.message(method.input, method)]
        header, *more = [field.name for field in method.input.fields]
        made = [self._part(method, header)]
        return [*made, self._part(method, more[0])] if more and self.rng.random() < 0.8 else made

    def message(self, descriptor: Descriptor, method: Method, depth: int = 0) -> Message:
        """Return a filled message."""
        made = message_factory.GetMessageClass(descriptor)()
        chosen = {
            oneof.name: self.rng.choice(oneof.fields).name for oneof in descriptor.oneofs if len(oneof.fields) > 1
        }
        for field in descriptor.fields:
            oneof = field.containing_oneof
            if oneof is not None and chosen.get(oneof.name, field.name) != field.name:
                continue
            if self._wanted(field, method, depth):
                self._set(made, field, method, depth)
        return made

    @staticmethod
    def kind(field: FieldDescriptor, method: Method) -> str:
        """Return which kind of resource a text field names; "" where none."""
        holder = field.containing_type.name
        if field.name == "parent":
            return _PARENTS.get(method.service, {}).get(method.name) or _PARENT.get(method.service, "org")
        if field.name == "name":
            noun = re.sub("^[A-Z][a-z]+", "", holder.removesuffix("Request")) if holder.endswith("Request") else holder
            return _NOUNS.get(noun, noun.lower())
        if field.name == "object" and holder != "Policy":
            return ""
        return _KINDS.get(field.name, "")

    def _part(self, method: Method, name: str) -> Message:
        made = message_factory.GetMessageClass(method.input)()
        field = method.input.fields_by_name[name]
        self._set(made, field, method, 0)
        return made

    def _wanted(self, field: FieldDescriptor, method: Method, depth: int) -> bool:
        if field.name in self.without or (depth >= _DEPTH and field.message_type is not None):
            return False
        if field.name == method.resource.split(".")[0] or field.name in {"name", "parent", "cube", "vault"}:
            return True
        if field_behavior_pb2.REQUIRED in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]:
            return not self._strange()
        return self.rng.random() < (0.75 if depth == 0 else 0.5)

    def _set(self, made: Any, field: FieldDescriptor, method: Method, depth: int) -> None:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            return
        if field.message_type is not None:
            for _ in range(self.rng.randint(1, 2) if field.is_repeated else 1):
                value = self._message(field, method, depth)
                getattr(made, field.name).append(value) if field.is_repeated else getattr(made, field.name).CopyFrom(
                    value
                )
        elif field.is_repeated:
            getattr(made, field.name).extend(self._scalar(field, method) for _ in range(self.rng.randint(1, 3)))
        else:
            setattr(made, field.name, self._scalar(field, method))

    def _message(self, field: FieldDescriptor, method: Method, depth: int) -> Any:
        descriptor = field.message_type
        if descriptor.full_name in {"google.protobuf.Timestamp", "google.protobuf.Duration"}:
            made = message_factory.GetMessageClass(descriptor)()
            made.seconds = self.rng.choice([0, 60, 1_900_000_000])
            if self._strange():
                made.seconds, made.nanos = self.rng.choice(
                    [(-1, 0), (2**60, 0), (1, -5), (1, 2**31 - 1), (-(2**62), 7)]
                )
            return made
        return self.message(descriptor, method, depth + 1)

    def _scalar(self, field: FieldDescriptor, method: Method) -> Any:
        rng = self.rng
        if field.type == FieldDescriptor.TYPE_STRING:
            return self._text(field, method)
        if field.type == FieldDescriptor.TYPE_BYTES:
            return rng.randbytes(rng.choice([0, 8, 32]))
        if field.type == FieldDescriptor.TYPE_BOOL:
            return rng.random() < 0.5
        if field.enum_type is not None:
            return 99 if self._strange() else rng.choice([value.number for value in field.enum_type.values][1:])
        if field.type in {FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT}:
            return rng.choice([float("nan"), float("inf"), -1e30]) if self._strange() else rng.random()
        return self._whole(field)

    def _whole(self, field: FieldDescriptor) -> int:
        unsigned = field.cpp_type in {FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_UINT64}
        bits = 32 if field.cpp_type in {FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_UINT32} else 64
        if self._strange():
            return self.rng.choice(
                [0, 2 ** (bits - 1) - 1, 5 if unsigned else -1, 0 if unsigned else -(2 ** (bits - 1))]
            )
        return self.rng.choice([0, 1, 1, 2, 3])

    def _text(self, field: FieldDescriptor, method: Method) -> str:
        rng = self.rng
        kind = self.kind(field, method)
        if kind:
            # What the method is about, and what it names beside that, may be of different tenants.
            name = self.names(kind, about=method.resource.rpartition(".")[2] == field.name)
            strange = [self.names("any"), name.upper(), "*", malformed(rng, name)]
            return rng.choice(strange) if self._strange() else name
        known = {"page_token": self.tokens, "etag": self.etags, "cursor": self.etags, "request_id": _REQUEST_IDS}
        if field.name in known:
            return rng.choice(known[field.name])
        if self._strange():
            return strange_text(rng)
        if field.name.endswith("_id"):
            return f"made-{rng.randrange(1_000_000)}"
        return rng.choice(self.special.get(field.name, self.texts))

    def _strange(self) -> bool:
        return self.rng.random() < self.hostile


def malformed(rng: Random, name: str) -> str:
    """Return something like a name that is none."""
    return rng.choice(
        [
            name + "/", "/" + name, name.replace("/", "//"), name + "/..", "orgs/../" + name, name + "\x00", "orgs/-/vaults/-",
            "orgs/*/vaults/*", name.replace("a", "\u0430"), name + "%2f..", "orgs", "orgs/", name + "?x=1", name * 30, "\u202e" + name,
        ]
    )  # fmt: skip


def strange_text(rng: Random) -> str:
    """Return a text that breaks what is careless."""
    return rng.choice(
        [
            "", "\x00", "\u202e\U0001f600 \u00fc\u0308", "a" * 5_000, "x" * 200_000, "'; DROP TABLE cubes;--", '"', '" OR 1=1', "NEAR(a b",
            "*", "%_%", "../../etc/passwd", "{}", "\ufeff", "a" * 64, "-" * 63, "9" * 40, "None", "\n\r\t", "\ud7ff\ue000",
        ]
    )  # fmt: skip
