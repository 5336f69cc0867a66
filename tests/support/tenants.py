"""Tenants with something to hide: real resources of every kind in every service, and secrets that others must not see.

`alice` publishes, `bob` and `trent` hold licences of one of her packs, `mallory` holds nothing. Each secret knows who
may see it. Resources in the pool of names may be guessed by everybody; hidden ones may not even be named.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from memporium.cube.v1.cube_pb2 import Cube
from memporium.governance.v1 import issuer_pb2, policy_pb2, principal_pb2
from memporium.governance.v1.governance_service_pb2_grpc import GovernanceServiceStub
from memporium.memstore.v1 import listing_pb2, subscription_calls_pb2, subscription_pb2
from memporium.reader.v1 import remember_pb2
from memporium.reader.v1.reader_service_pb2_grpc import ReaderServiceStub
from memporium.scheduler.v1 import job_pb2, scheduler_service_pb2
from memporium.scheduler.v1.scheduler_service_pb2_grpc import SchedulerServiceStub
from memporium.transfer.v1 import transfer_service_pb2
from memporium.transfer.v1.transfer_service_pb2_grpc import TransferServiceStub
from memporium.vault.v1 import cubes_pb2, vault_pb2
from memporium.vault.v1 import vault_service_pb2 as vaults
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from support.bundles import tensor_file
from support.integration_transfer import collect
from support.market import Market, licence

if TYPE_CHECKING:
    from support.platform import Platform

ORGS = ("alice", "bob", "trent", "mallory")
SETTINGS = {
    "MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL": "hashing-384",
    "MEMPORIUM_INFERENCE_DEFAULT_EMBEDDER": "hashing-384",
    "MEMPORIUM_INFERENCE_DEFAULT_GENERATOR": "tiny-random",
    "MEMPORIUM_SCHEDULER_SWEEP_INTERVAL_S": "0",
}
_WATCH_MAX = 20.0


@dataclass
class World:
    """What there is, and who may know of it."""

    platform: Platform
    market: Market
    keys: dict[str, str] = field(default_factory=dict)
    agents: dict[str, str] = field(default_factory=dict)
    names: dict[str, dict[str, list[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    secrets: dict[bytes, frozenset[str]] = field(default_factory=dict)
    digests: list[str] = field(default_factory=list)
    # Agreements between those who change nothing.
    protected: set[str] = field(default_factory=set)

    def canary(self, *viewers: str) -> str:
        """Return a new word that only these organisations may see; it is a valid id, too."""
        digest = hashlib.sha256(f"{viewers}{len(self.secrets)}".encode()).hexdigest()[:16]
        return self.hide("k" + digest, *viewers)

    def hide(self, text: str, *viewers: str) -> str:
        """Note that only these organisations may see a text; return it."""
        assert len(text) > 8
        self.secrets[text.encode()] = frozenset(viewers)
        return text

    def add(self, org: str, kind: str, name: str) -> str:
        """Put a name into the pool."""
        self.names[org][kind].append(name)
        return name

    def stub(self, service: Any, org: str, **metadata: str) -> Any:
        """Return a stub of an organisation's owner."""
        return service(self.platform.channel(self.keys[org], **metadata))

    def leaks(self, org: str, seen: bytes, sent: bytes) -> list[str]:
        """Return the secrets in an answer that its caller may not see and has not said itself."""
        return [
            secret.decode()
            for secret, viewers in self.secrets.items()
            if org not in viewers and secret in seen and secret not in sent
        ]


async def made_world(platform: Platform) -> World:
    """Make everything."""
    world = World(platform, Market(platform, None))
    for org in ORGS:
        world.keys[org] = (await platform.organisation(org)).owner_key
        world.add(org, "org", f"orgs/{org}")
    world.market.keys = world.keys
    for org in ORGS:
        await _access(world, org)
        await _memory(world, org)
        await _work(world, org)
    await _market(world)
    return world


async def _access(world: World, org: str) -> None:
    stub, parent = world.stub(GovernanceServiceStub, org), f"orgs/{org}"
    world.agents[org] = await world.platform.principal(org, "robot", roles=["agent"])
    spare = principal_pb2.Principal(kind=principal_pb2.PRINCIPAL_KIND_USER, display_name=world.canary(org))
    await stub.CreatePrincipal(
        principal_pb2.CreatePrincipalRequest(
            parent=parent, principal_id="spare", principal=spare, request_id="shared-request"
        )
    )
    principal = world.add(org, "principal", f"{parent}/principals/spare")
    key = await stub.CreateApiKey(
        principal_pb2.CreateApiKeyRequest(
            parent=principal, api_key=principal_pb2.ApiKey(display_name=world.canary(org))
        )
    )
    world.hide(key.secret, org)
    world.add(org, "key", key.api_key.name)
    rule = policy_pb2.Policy(
        subject=principal,
        object="*",
        action="a.b.c",
        effect=policy_pb2.POLICY_EFFECT_DENY,
        description=world.canary(org),
    )
    made = await stub.CreatePolicy(policy_pb2.CreatePolicyRequest(parent=parent, policy=rule))
    world.add(org, "policy", made.policy.name)
    binding = policy_pb2.RoleBinding(member=principal, role="guest")
    given = await stub.CreateRoleBinding(policy_pb2.CreateRoleBindingRequest(parent=parent, role_binding=binding))
    world.add(org, "binding", given.role_binding.name)
    issuer = issuer_pb2.Issuer(
        issuer=f"https://{org}.test", audience=world.canary(org), jwks=_KEY_SET, algorithms=["Ed25519"]
    )
    await stub.CreateIssuer(issuer_pb2.CreateIssuerRequest(parent=parent, issuer_id="idp", issuer=issuer))
    world.add(org, "issuer", f"{parent}/issuers/idp")
    # A record in the log that tells something of its organisation.
    declared = world.stub(GovernanceServiceStub, org, purpose=world.canary(org))
    await declared.WhoAmI(policy_pb2.WhoAmIRequest())


async def _memory(world: World, org: str) -> None:
    stub = world.stub(VaultServiceStub, org)
    notes = await _vault(world, org, "notes")
    for number in range(3):
        cube = await _cube(world, stub, org, notes, f"c{number}")
        world.add(org, "cube", cube.name)
    changed = Cube(name=cube.name)
    changed.payload.plaintext.document.text = f"the secret formula is now {world.canary(org)}"
    await stub.UpdateCube(vaults.UpdateCubeRequest(cube=changed, update_mask={"paths": ["payload"]}))
    await _cube(world, stub, org, notes, world.canary(org))
    hidden = await _vault(world, org, world.canary(org), pooled=False)
    await _cube(world, stub, org, hidden, "inside")
    relation = cubes_pb2.Relation(
        source=f"{notes}/cubes/c0", kind=7, target=f"{notes}/cubes/c1", note=world.canary(org)
    )
    linked = await stub.CreateRelation(vaults.CreateRelationRequest(parent=notes, relation=relation))
    world.add(org, "relation", linked.relation.name)
    gone = await _cube(world, stub, org, notes, "gone")
    receipt = (await stub.ForgetCubes(vaults.ForgetCubesRequest(parent=notes, names=[gone.name]))).receipt
    world.add(org, "receipt", receipt.name)
    await _blob(world, stub, org, notes)
    reader = world.stub(ReaderServiceStub, org)
    header = remember_pb2.RememberHeader(parent=notes, session="talk", title=world.canary(org))
    turn = remember_pb2.Turn(speaker="Ann", text=f"My cat is called {world.canary(org)} and she is grey.")
    turn.time.FromSeconds(1_700_000_000)
    requests = iter([remember_pb2.RememberRequest(header=header), remember_pb2.RememberRequest(turn=turn)])
    await reader.Remember(requests)


async def _vault(world: World, org: str, vault_id: str, *, pooled: bool = True) -> str:
    stub = world.stub(VaultServiceStub, org)
    draft = vault_pb2.Vault(display_name="A vault", description=world.canary(org))
    made = await stub.CreateVault(
        vaults.CreateVaultRequest(parent=f"orgs/{org}", vault_id=vault_id, vault=draft, request_id=f"shared-{vault_id}")
    )
    world.hide(made.vault.uid, org)
    if pooled:
        world.add(org, "vault", made.vault.name)
    return str(made.vault.name)


async def _cube(world: World, stub: Any, org: str, vault: str, cube_id: str, *, text: str = "") -> Cube:
    cube = Cube()
    cube.payload.plaintext.document.title = f"Formula {cube_id}"
    cube.payload.plaintext.document.text = text or f"the secret formula of {org} is {world.canary(org)}"
    cube.descriptive.tags.append(f"tag-{text.rpartition(' ')[2]}" if text else f"tag-{world.canary(org)}")
    made = await stub.CreateCube(vaults.CreateCubeRequest(parent=vault, cube_id=cube_id, cube=cube))
    if not text:
        world.hide(made.cube.uid, org)
    return made.cube


async def _blob(world: World, stub: Any, org: str, vault: str) -> None:
    blob = tensor_file({world.canary(org): [0.5] * 64})
    digest = hashlib.sha256(blob).hexdigest()
    header = vaults.UploadBlobHeader(parent=vault)
    header.digest.sha256, header.digest.size_bytes = digest, len(blob)
    await stub.UploadBlob(iter([vaults.UploadBlobRequest(header=header), vaults.UploadBlobRequest(data=blob)]))
    world.digests.append(digest)
    cube = Cube()
    made = cube.payload.activation
    made.blob.sha256, made.blob.size_bytes = digest, len(blob)
    made.model_fingerprint = made.tokenizer_fingerprint = made.token_ids_sha256 = "ab" * 32
    made.token_count, made.layers, made.heads, made.head_size, made.dtype = 4, 1, 1, 16, "float32"
    made.source_cubes.append(f"{vault}/cubes/c0")
    answer = await stub.CreateCube(vaults.CreateCubeRequest(parent=vault, cube_id="kv", cube=cube))
    world.add(org, "cube", answer.cube.name)


async def _work(world: World, org: str) -> None:
    transfer, jobs = world.stub(TransferServiceStub, org), world.stub(SchedulerServiceStub, org)
    dump = transfer_service_pb2.DumpVaultRequest(vault=f"orgs/{org}/vaults/notes", bundle_id="backup")
    _, bundle = await collect(transfer.DumpVault(dump))
    world.add(org, "bundle", bundle.name)
    spec = job_pb2.JobSpec(place_memories=job_pb2.PlaceMemories(vault=f"orgs/{org}/vaults/notes", budget_bytes=1000))
    spec.place_memories.labels.append(world.canary(org))
    request = scheduler_service_pb2.CreateJobRequest(parent=f"orgs/{org}", spec=spec)
    job = (await jobs.CreateJob(request)).job
    world.add(org, "job", job.name)
    async for _ in jobs.WatchJob(scheduler_service_pb2.WatchJobRequest(name=job.name), timeout=_WATCH_MAX):
        pass
    subscription = subscription_pb2.Subscription(mode=subscription_pb2.Subscription.MODE_PULL, from_beginning=True)
    subscription.filter.any_tags.append(world.canary(org))
    made = await world.market.stub(org).CreateSubscription(
        subscription_calls_pb2.CreateSubscriptionRequest(parent=f"orgs/{org}", subscription=subscription)
    )
    assert made.subscription.uid in made.subscription.name
    world.add(org, "subscription", made.subscription.name)


async def _market(world: World) -> None:
    market, stub = world.market, world.stub(VaultServiceStub, "alice")
    pack = "orgs/alice/vaults/expert"
    await stub.CreateVault(vaults.CreateVaultRequest(parent="orgs/alice", vault_id="expert"))
    licensed = world.canary("alice", "bob", "trent")
    await _cube(world, stub, "alice", pack, "lesson", text=f"the secret formula is sold as {licensed}")
    world.add("alice", "vault", pack)
    world.add("alice", "cube", f"{pack}/cubes/lesson")
    public = await market.listing("open", org="alice")
    partners = listing_pb2.Audience(
        scope=listing_pb2.Audience.SCOPE_ORGANISATIONS, organisations=["orgs/bob", "orgs/trent"]
    )
    offer = await market.offer(public.name, org="alice", terms=licence(calls=None), auto_agree=True, audience=partners)
    await market.release(public.name, org="alice")
    for listing_id, scope, viewers in (
        ("closed", "PRIVATE", ("alice",)),
        ("club", "ORGANISATIONS", ("alice", "bob")),
    ):
        secret = await market.listing(
            listing_id,
            org="alice",
            scope=scope,
            organisations=["orgs/bob"] if scope == "ORGANISATIONS" else [],
            title=f"The formula {world.canary(*viewers)}",
        )
        world.hide(secret.uid, *viewers)
        world.add("alice", "listing", secret.name)
        terms = licence(attribution=world.canary(*viewers))
        offered = await market.offer(secret.name, org="alice", terms=terms)
        world.add("alice", "offer", offered.name)
        released = await market.release(secret.name, org="alice", pii_policy=2)
        world.hide(released.manifest_sha256, *viewers)
        world.add("alice", "release", released.name)
        world.add("alice", "bundle", released.bundle)
    talks = await market.request(
        "orgs/alice/listings/club/offers/standard", org="bob", reason=world.canary("alice", "bob")
    )
    world.add("alice", "negotiation", talks.name)
    for org in ("bob", "trent"):
        talks = await market.request(offer.name, org=org, reason=world.canary("alice", org))
        talks = await market.step(talks, "Verify", org=org)
        world.add("alice", "negotiation", talks.name)
        world.add("alice", "agreement", talks.agreement)
        if org == "bob":
            world.protected.add(talks.agreement)
        transfer = world.stub(TransferServiceStub, org)
        pull = transfer_service_pb2.PullBundleRequest(
            parent=f"orgs/{org}", agreement=talks.agreement, mount_into=f"orgs/{org}/vaults/notes"
        )
        _, result = await collect(transfer.PullBundle(pull))
        world.add(org, "vault", result.vault)
        world.add(org, "cube", f"{result.vault}/cubes/lesson")
        world.add(org, "mount", result.mount)
    world.add("alice", "listing", public.name)
    world.add("alice", "offer", offer.name)


_KEY_SET = (
    '{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}'
)
