"""Methods about organisations and principals."""

from __future__ import annotations

from typing import Any

from memporium.governance.v1 import organisation_pb2 as organisation_pb
from memporium.governance.v1 import principal_pb2 as principal_pb
from memporium_platform.authz.wire import kind_from_wire
from memporium_platform.call import current_call
from memporium_services.governance import convert
from memporium_services.governance.servicer.base import Methods
from memporium_services.governance.servicer.pages import page_of


class OrganisationMethods(Methods):
    """Organisations and principals."""

    async def CreateOrganisation(
        self, request: organisation_pb.CreateOrganisationRequest, _context: Any
    ) -> organisation_pb.CreateOrganisationResponse:
        """Create an organisation with its first owner and that owner's key."""
        made = await self._app.organisations.create(
            current_call(), request.organisation_id, display_name=request.display_name, owner_id=request.owner_id
        )
        return organisation_pb.CreateOrganisationResponse(
            organisation=convert.organisation(made.organisation),
            owner=convert.principal(made.owner),
            owner_key=convert.api_key(made.key),
            owner_secret=made.secret,
            epoch=made.epoch,
        )

    async def GetOrganisation(
        self, request: organisation_pb.GetOrganisationRequest, _context: Any
    ) -> organisation_pb.GetOrganisationResponse:
        """Return one organisation."""
        found = await self._app.organisations.get(request.name)
        return organisation_pb.GetOrganisationResponse(organisation=convert.organisation(found))

    async def ListOrganisations(
        self, request: organisation_pb.ListOrganisationsRequest, _context: Any
    ) -> organisation_pb.ListOrganisationsResponse:
        """List the organisations of the platform."""
        page = page_of(self._tokens, request, "ListOrganisations", str(request.show_deleted))
        found = await self._app.organisations.page(after=page.after, limit=page.limit, deleted=request.show_deleted)
        items, token = page.cut(found, lambda item: item.org)
        return organisation_pb.ListOrganisationsResponse(
            organisations=[convert.organisation(item) for item in items], next_page_token=token
        )

    async def DeleteOrganisation(
        self, request: organisation_pb.DeleteOrganisationRequest, _context: Any
    ) -> organisation_pb.DeleteOrganisationResponse:
        """Delete an organisation and destroy its keys."""
        changed = await self._app.organisations.delete(current_call(), request.name)
        return organisation_pb.DeleteOrganisationResponse(
            organisation=convert.organisation(changed.record), epoch=changed.epoch
        )

    async def GetOrganisationKeys(
        self, request: organisation_pb.GetOrganisationKeysRequest, _context: Any
    ) -> organisation_pb.GetOrganisationKeysResponse:
        """Return an organisation's public keys."""
        keys = await self._app.organisations.public_keys(request.name)
        return organisation_pb.GetOrganisationKeysResponse(
            keys=organisation_pb.OrganisationKeys(
                organisation=request.name,
                signing_public_key=keys.signing,
                hpke_public_key=keys.hpke,
                previous_signing_public_keys=keys.previous,
                hybrid_public_key=keys.hybrid,
            )
        )

    async def CreatePrincipal(
        self, request: principal_pb.CreatePrincipalRequest, _context: Any
    ) -> principal_pb.CreatePrincipalResponse:
        """Create a principal."""
        changed = await self._app.principals.create(
            current_call(),
            request.parent,
            request.principal_id,
            kind=kind_from_wire(request.principal.kind),
            display_name=request.principal.display_name,
            roles=request.roles,
        )
        return principal_pb.CreatePrincipalResponse(principal=convert.principal(changed.record), epoch=changed.epoch)

    async def GetPrincipal(
        self, request: principal_pb.GetPrincipalRequest, _context: Any
    ) -> principal_pb.GetPrincipalResponse:
        """Return one principal."""
        found = await self._app.principals.get(request.name)
        return principal_pb.GetPrincipalResponse(principal=convert.principal(found))

    async def ListPrincipals(
        self, request: principal_pb.ListPrincipalsRequest, _context: Any
    ) -> principal_pb.ListPrincipalsResponse:
        """List the principals of an organisation."""
        page = page_of(self._tokens, request, "ListPrincipals", request.parent)
        found = await self._app.principals.page(request.parent, after=page.after, limit=page.limit)
        items, token = page.cut(found, lambda item: item.name)
        return principal_pb.ListPrincipalsResponse(
            principals=[convert.principal(item) for item in items], next_page_token=token
        )

    async def DisablePrincipal(
        self, request: principal_pb.DisablePrincipalRequest, _context: Any
    ) -> principal_pb.DisablePrincipalResponse:
        """Refuse all credentials of a principal from now on."""
        changed = await self._app.principals.set_disabled(current_call(), request.name, disabled=True)
        return principal_pb.DisablePrincipalResponse(principal=convert.principal(changed.record), epoch=changed.epoch)

    async def EnablePrincipal(
        self, request: principal_pb.EnablePrincipalRequest, _context: Any
    ) -> principal_pb.EnablePrincipalResponse:
        """Accept the credentials of a disabled principal again."""
        changed = await self._app.principals.set_disabled(current_call(), request.name, disabled=False)
        return principal_pb.EnablePrincipalResponse(principal=convert.principal(changed.record), epoch=changed.epoch)
