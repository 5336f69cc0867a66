"""Methods about roles, policies and the authorisation state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium.governance.v1 import policy_pb2 as policy_pb
from memporium.governance.v1 import watch_pb2 as watch_pb
from memporium_platform.call import current_call
from memporium_services.governance import convert
from memporium_services.governance.app.watch import watch
from memporium_services.governance.servicer.base import Methods
from memporium_services.governance.servicer.pages import page_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class AccessMethods(Methods):
    """Roles, bindings, policies, and questions about access."""

    async def ListRoles(self, request: policy_pb.ListRolesRequest, _context: Any) -> policy_pb.ListRolesResponse:
        """List the roles that an organisation can give."""
        page = page_of(self._tokens, request, "ListRoles", request.parent)
        found = [template for template in self._app.roles if template.role > page.after]
        items, token = page.cut(found, lambda item: item.role)
        return policy_pb.ListRolesResponse(roles=[convert.role(item) for item in items], next_page_token=token)

    async def CreateRoleBinding(
        self, request: policy_pb.CreateRoleBindingRequest, _context: Any
    ) -> policy_pb.CreateRoleBindingResponse:
        """Give a role."""
        draft = request.role_binding
        changed = await self._app.access.bind(current_call(), request.parent, member=draft.member, role=draft.role)
        return policy_pb.CreateRoleBindingResponse(role_binding=convert.binding(changed.record), epoch=changed.epoch)

    async def ListRoleBindings(
        self, request: policy_pb.ListRoleBindingsRequest, _context: Any
    ) -> policy_pb.ListRoleBindingsResponse:
        """List the role bindings of an organisation."""
        page = page_of(self._tokens, request, "ListRoleBindings", request.parent, request.member)
        found = await self._app.access.bindings(
            request.parent, member=request.member, after=page.after, limit=page.limit
        )
        items, token = page.cut(found, lambda item: item.id)
        return policy_pb.ListRoleBindingsResponse(
            role_bindings=[convert.binding(item) for item in items], next_page_token=token
        )

    async def DeleteRoleBinding(
        self, request: policy_pb.DeleteRoleBindingRequest, _context: Any
    ) -> policy_pb.DeleteRoleBindingResponse:
        """Take a role away."""
        epoch = await self._app.access.unbind(current_call(), request.name)
        return policy_pb.DeleteRoleBindingResponse(epoch=epoch)

    async def CreatePolicy(
        self, request: policy_pb.CreatePolicyRequest, _context: Any
    ) -> policy_pb.CreatePolicyResponse:
        """Add a policy."""
        draft = convert.policy_draft(request.policy)
        changed = await self._app.access.add_policy(current_call(), request.parent, draft)
        return policy_pb.CreatePolicyResponse(policy=convert.policy(changed.record), epoch=changed.epoch)

    async def ListPolicies(
        self, request: policy_pb.ListPoliciesRequest, _context: Any
    ) -> policy_pb.ListPoliciesResponse:
        """List the policies of an organisation."""
        page = page_of(self._tokens, request, "ListPolicies", request.parent)
        found = await self._app.access.policies(request.parent, after=page.after, limit=page.limit)
        items, token = page.cut(found, lambda item: item.id)
        return policy_pb.ListPoliciesResponse(policies=[convert.policy(item) for item in items], next_page_token=token)

    async def DeletePolicy(
        self, request: policy_pb.DeletePolicyRequest, _context: Any
    ) -> policy_pb.DeletePolicyResponse:
        """Remove a policy."""
        epoch = await self._app.access.remove_policy(current_call(), request.name)
        return policy_pb.DeletePolicyResponse(epoch=epoch)

    async def CheckAccess(self, request: policy_pb.CheckAccessRequest, _context: Any) -> policy_pb.CheckAccessResponse:
        """Say whether a principal may do something, and why."""
        principal = request.principal or current_call().principal.name
        kind = await self._app.principals.kind_of(principal)
        found = await self._app.access.check(
            request.parent,
            principal=principal,
            action=request.action,
            resource=request.resource,
            context=convert.context_of(request.context, kind=kind, now=self._app.clock.now()),
            explain=request.explain,
        )
        return convert.answer(found)

    async def WhoAmI(self, _request: policy_pb.WhoAmIRequest, _context: Any) -> policy_pb.WhoAmIResponse:
        """Say who the caller is."""
        caller = current_call().principal
        roles, epoch = self._app.access.roles_of(caller.name, caller.org)
        response = policy_pb.WhoAmIResponse(roles=roles, credential=caller.credential, epoch=epoch)
        if caller.org:
            response.principal.CopyFrom(convert.principal(await self._app.principals.get(caller.name)))
        else:
            response.principal.name = caller.name
        return response

    async def WatchAuthorization(
        self, request: watch_pb.WatchAuthorizationRequest, _context: Any
    ) -> AsyncIterator[watch_pb.WatchAuthorizationResponse]:
        """Stream the authorisation state and its changes."""
        async for part in watch(self._app.directory, request.after_epoch):
            yield convert.part(part)
