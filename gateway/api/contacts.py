"""Contacts: whom to tell about a resident, or about the whole site."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field

from gateway.api.caller import ContextDep, Needs, actor, audit_read, check_sees, in_database
from gateway.api.forms import Answer, Form, LongText, Name, RecordId, ShortText
from gateway.api.keys import ApiKey
from gateway.api.problems import not_found, responses
from gateway.api.scopes import Scope
from gateway.registry import Contact

router = APIRouter(prefix="/api/v1/contacts", tags=["contacts"])
Reader = Annotated[ApiKey, Depends(Needs(Scope.CONTACTS_READ))]
Writer = Annotated[ApiKey, Depends(Needs(Scope.CONTACTS_WRITE))]
ContactPath = Annotated[RecordId, Path(description="The contact's id · 联系人编号", examples=["c1"])]
Order = Annotated[int, Field(ge=0, le=1_000)]
Channel = Annotated[Name, Field(examples=["dingtalk"])]


class ContactForm(Form):
    """A new contact. resident_id left out: of the whole site. order: the first is told first, equal ones together."""

    id: Annotated[RecordId, Field(examples=["c1"])]
    resident_id: Annotated[RecordId | None, Field(examples=["r1"])] = None
    name: Annotated[Name, Field(examples=["李明"])]
    role: Annotated[ShortText, Field(examples=["son"])] = ""
    channel: Channel
    address: LongText = ""
    order: Order = 0


class ContactChange(Form):
    """What to change; what is left out stays."""

    name: Name = ""
    role: ShortText = ""
    channel: Name = ""
    address: LongText = ""
    order: Order = 0
    active: bool = True


class ContactAnswer(Answer):
    """Whom to tell. address: null unless the key may change contacts, because it can hold a secret."""

    id: Annotated[str, Field(examples=["c1"])]
    resident_id: Annotated[str | None, Field(examples=["r1"])]
    name: Annotated[str, Field(examples=["李明"])]
    role: Annotated[str, Field(examples=["son"])]
    channel: Annotated[str, Field(examples=["dingtalk"])]
    address: str | None
    order: int
    active: bool


class Contacts(Answer):
    """Contacts in the order in which they are told."""

    contacts: list[ContactAnswer]


@router.get("", summary="List contacts · 联系人列表", responses=responses(404))
async def list_contacts(
    context: ContextDep,
    key: Reader,
    *,
    resident: Annotated[RecordId | None, Query(description="Of this resident and the site; else the site's")] = None,
    active: Annotated[bool, Query(description="Only those in use")] = True,
) -> Contacts:
    """The resident's own contacts, then the site's. A key for some residents sees only their own."""
    if resident is not None:
        check_sees(key, resident, "resident", resident)
    found = await in_database(context, lambda: context.registry.contacts(resident, active_only=active))
    seen = [one for one in found if key.may_see(one.resident_id)]
    subject = f"resident:{resident}" if resident else "site"
    await audit_read(context, key, "contacts.listed", subject, {"contacts": [one.id for one in seen]})
    return Contacts(contacts=[_answer(one, key) for one in seen])


@router.get("/{contact_id}", summary="Get a contact · 联系人详情", responses=responses(404))
async def get_contact(context: ContextDep, key: Reader, contact_id: ContactPath) -> ContactAnswer:
    """One contact."""
    found = seen_contact(key, contact_id, await in_database(context, lambda: context.registry.contact(contact_id)))
    await audit_read(context, key, "contact.read", f"contact:{contact_id}")
    return _answer(found, key)


@router.post("", status_code=201, summary="Add a contact · 新增联系人", responses=responses(404, 409))
async def add_contact(context: ContextDep, key: Writer, form: ContactForm) -> ContactAnswer:
    """A contact of the whole site needs a key for all residents."""
    check_sees(key, form.resident_id, "resident", form.resident_id or "")
    contact = Contact(**form.model_dump())
    await context.in_database(context.registry.add_contact, contact, by=actor(key), now_ns=context.clock())
    return _answer(contact, key)


@router.patch("/{contact_id}", summary="Change a contact · 修改联系人", responses=responses(404))
async def change_contact(
    context: ContextDep, key: Writer, contact_id: ContactPath, change: ContactChange
) -> ContactAnswer:
    """Fields that are left out stay as they are; a contact cannot move to another resident."""

    def update() -> Contact:
        known = seen_contact(key, contact_id, context.registry.contact(contact_id))
        changed = replace(known, **change.model_dump(exclude_unset=True))
        context.registry.update_contact(changed, by=actor(key), now_ns=context.clock())
        return changed

    return _answer(await in_database(context, update), key)


def seen_contact(key: ApiKey, contact_id: str, found: Contact | None) -> Contact:
    """The contact, if there is one and the key may see it. Raises "not found" in both other cases."""
    if found is None:
        raise not_found("contact", contact_id)
    check_sees(key, found.resident_id, "contact", contact_id)
    return found


def _answer(contact: Contact, key: ApiKey) -> ContactAnswer:
    return ContactAnswer(
        id=contact.id,
        resident_id=contact.resident_id,
        name=contact.name,
        role=contact.role,
        channel=contact.channel,
        address=contact.address if Scope.CONTACTS_WRITE in key.scopes else None,
        order=contact.order,
        active=contact.active,
    )
