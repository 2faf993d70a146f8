"""The columns of a list of report requests, as data: those of the platform's CSV upload, with their closed lists.

Source: the vendor's public page *CSV upload*. ISO 3166-1 codes are written out; time zones are those of the tz database
that Python has.
"""

from __future__ import annotations

import difflib
import re
import zoneinfo
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

LEGAL_FORMS: Mapping[str, str] = {
    "ab": "AB",
    "adoer": "AdöR",
    "ag": "AG",
    "eg": "eG",
    "ek": "e.K.",
    "ek-ohg": "e.K. OHG",
    "gbr": "GbR",
    "gmbh": "GmbH",
    "gmbh-co-kg": "GmbH & Co. KG",
    "kg": "KG",
    "kdoer": "KdöR",
    "ltd": "Ltd.",
    "ohg": "OHG",
    "other": "Other",
    "part-gmbb": "PartG mbB",
    "partg": "PartG",
    "se": "SE",
    "se-co-kg": "SE & Co. KG",
    "sole-proprietorship": "Sole proprietorship",
    "stiftung": "Stiftung",
    "stiftung-co-kg": "Stiftung & Co. KG",
    "ug": "UG",
    "ug-co-kg": "UG & Co. KG",
    "natural_person": "Natural person",
}
"""Key and display name. The keys are known, of the display names only ``GmbH`` is; the others are the usual ones. So
both are compared without case, spaces, punctuation and what stands in brackets, ``ö`` as ``oe``: see :func:`_bare`."""

LOCALES = ("en_US", "de_DE", "fr_FR", "es_ES", "it_IT")
SALUTATIONS = ("dear_mr", "dear_mrs", "good_day")
NOTIFICATIONS = ("directly", "after_esg_risk_check", "no_notification")

COUNTRIES = frozenset(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA
    CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA
    GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP
    KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS
    MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS
    RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW
    TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
    """.split()  # noqa: SIM905 - a page of one code a line helps nobody
)

_EMAIL = re.compile(r"[^@\s\"(),:;<>\[\\\]]{1,64}@(?:[^\W_](?:[\w-]*[^\W_])?\.)+[^\W\d_](?:[\w-]*[^\W_])")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
MAX_EMAIL = 254


class NotAllowedError(ValueError):
    """A value that a column does not take; the message says what it takes."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    :param takes: what is allowed, in words (docs, error messages).
    :param read: makes of a text, white space dropped and not empty, what is sent; raises :class:`NotAllowedError`.
    :param mandatory: every row needs a value.
    """

    takes: str = "text"
    read: Callable[[str], str] = str
    mandatory: bool = False


def _email(text: str) -> str:
    dotted = text.partition("@")[0]
    if len(text) > MAX_EMAIL or ".." in dotted or dotted[:1] == "." or dotted[-1:] == "." or not _EMAIL.fullmatch(text):
        raise NotAllowedError("an e-mail address")
    return text


def _date(text: str) -> str:
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    raise NotAllowedError("an ISO 8601 date, such as 2026-04-30")


def _country(text: str) -> str:
    if text not in COUNTRIES:
        raise NotAllowedError("an ISO 3166-1 alpha-2 code, such as DE")
    return text


@cache
def _timezones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def _timezone(text: str) -> str:
    if text not in _timezones():
        raise NotAllowedError(_choices("a name of the tz database, such as Europe/Berlin", text, _timezones()))
    return text


def _bare(legal_form: str) -> str:
    text = re.sub(r"\(.*?\)|\bund\b", "", legal_form.casefold()).translate(_LATIN)
    return "".join(filter(str.isalnum, text))


_LATIN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
_LEGAL_FORMS = {_bare(each): key for key, name in LEGAL_FORMS.items() for each in (name, key)}


def _legal_form(text: str) -> str:
    key = _LEGAL_FORMS.get(_bare(text))
    if key is None:
        allowed = f"{', '.join(LEGAL_FORMS)}, or a display name such as GmbH"
        raise NotAllowedError(_choices(allowed, text, LEGAL_FORMS))
    return key


def _one_of(*allowed: str, default: str = "") -> Column:
    def read(text: str) -> str:
        if text not in allowed:
            raise NotAllowedError(_choices(", ".join(allowed), text, allowed))
        return text

    return Column(", ".join(f"`{each}`" for each in allowed) + (f"; default `{default}`" if default else ""), read)


def _choices(takes: str, given: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(given, sorted(known), 1)
    return takes + (f" (did you mean {near[0]!r}?)" if near else "")


_ADDRESS = Column("an e-mail address", _email)
_DAY = Column("an ISO 8601 date", _date)

COLUMNS: Mapping[str, Column] = {
    "report_template": Column("ID or key of a report template; needed where the task gives none"),
    "organization_name": Column(mandatory=True),
    "organization_legal_form": Column(
        f"{', '.join(f'`{key}`' for key in LEGAL_FORMS)}, or the usual name; default `gmbh`", _legal_form
    ),
    "organization_vat_id": Column(),
    "organization_court_of_registration": Column(),
    "organization_commercial_register_number": Column(),
    "organization_homepage": Column(),
    "organization_email": _ADDRESS,
    "organization_phone": Column(),
    "organization_address_line_1": Column(),
    "organization_address_line_2": Column(),
    "organization_house_number": Column(),
    "organization_zip_code": Column(),
    "organization_city": Column(),
    "organization_country": Column("an ISO 3166-1 alpha-2 code; default `DE`", _country),
    "user_email": Column(_ADDRESS.takes, _email, mandatory=True),
    "user_first_name": Column(),
    "user_last_name": Column(),
    "user_phone": Column(),
    "user_salutation": _one_of(*SALUTATIONS),
    "user_locale": _one_of(*LOCALES, default="de_DE"),
    "user_timezone": Column("a name of the tz database; default `UTC`", _timezone),
    "personal_message": Column(),
    "reason": Column("text: tells reports of one company apart; part of the row's key"),
    "submission_date": _DAY,
    "creation_date": _DAY,
    "customer_identifier": Column("text: your own name of the company; the row's key, with template and reason"),
    "provider_notification": _one_of(*NOTIFICATIONS, default="directly"),
    **{
        f"{requestor}_{part}": _ADDRESS if part == "email" else Column()
        for requestor in ("requestor", "requestor2", "requestor3")
        for part in ("email", "first_name", "last_name")
    },
}
"""By name, in the order of the platform's page. Defaults are the platform's: what is not given is not sent."""
