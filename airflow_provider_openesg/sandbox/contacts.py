"""Index of organizations by VAT ID and name, and of users by e-mail address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_openesg.sandbox.organizations import Organization


class Contacts:
    """Organizations and users, indexed for fast lookup.

    :param organizations: initial organizations by ID, each with its contact person.
    """

    def __init__(self, organizations: dict[int, Organization]) -> None:
        self.organizations: dict[int, Organization] = {}
        self._by_vat_id: dict[str, Organization] = {}
        self._by_name: dict[str, Organization] = {}
        self._users: dict[str, dict[str, Any]] = {}
        for organization in organizations.values():
            self.add_organization(organization)
            if organization.user:
                self._users.setdefault(organization.user["email"].lower(), organization.user)
        self._last_user = max((user["id"] for user in self._users.values()), default=0)

    def find_organization(self, vat_id: str, name: str) -> Organization | None:
        """Return an organization by VAT ID, or by name if no VAT ID matches. This order is an assumption."""
        return (self._by_vat_id.get(vat_id) if vat_id else None) or self._by_name.get(name)

    def add_organization(self, organization: Organization) -> Organization:
        """Add an organization and return it."""
        self.organizations[organization.id] = organization
        self._by_name.setdefault(organization.record["name"], organization)
        if organization.record["vat_id"]:
            self._by_vat_id.setdefault(organization.record["vat_id"], organization)
        return organization

    def find_user(self, email: str) -> dict[str, Any] | None:
        """Return a user by e-mail address. Upper and lower case are equal."""
        return self._users.get(email.lower())

    def add_user(self, email: str, first_name: str, last_name: str) -> dict[str, Any]:
        """Add a user and return it."""
        self._last_user += 1
        user = {"id": self._last_user, "email": email, "first_name": first_name, "last_name": last_name}
        self._users[email.lower()] = user
        return user
