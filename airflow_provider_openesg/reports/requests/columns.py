"""The columns of a list of report requests and their allowed values: those of the platform's CSV upload.

Source: the vendor's public page *CSV upload*. Time zones are those of Python's tz database.
"""

from __future__ import annotations

import re
import zoneinfo
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import TYPE_CHECKING

from airflow_provider_openesg.parameters import did_you_mean

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
"""Display names by key. The vendor publishes the keys and the display name ``GmbH``; the other display names are the
usual ones. So keys and names are compared without case, spaces, punctuation and text in brackets, ``ö`` as ``oe``."""

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
    """.split()  # noqa: SIM905 - one code per line would be 249 lines
)

_EMAIL = re.compile(r"[^@\s\"(),:;<>\[\\\]]{1,64}@(?:[^\W_](?:[\w-]*[^\W_])?\.)+[^\W\d_](?:[\w-]*[^\W_])")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
MAX_EMAIL = 254


class NotAllowedError(ValueError):
    """A value is not allowed in a column. The message names the allowed values."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    :param allowed: allowed values as text, for docs and error messages.
    :param read: function from a stripped, non-empty text to the text that is sent; raises :class:`NotAllowedError`.
    :param mandatory: whether every row needs a value.
    """

    allowed: str = "text"
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
        raise NotAllowedError(_with_hint("a name of the tz database, such as Europe/Berlin", text, _timezones()))
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
        raise NotAllowedError(_with_hint(allowed, text, LEGAL_FORMS))
    return key


def _one_of(*allowed: str, default: str = "") -> Column:
    def read(text: str) -> str:
        if text not in allowed:
            raise NotAllowedError(_with_hint(", ".join(allowed), text, allowed))
        return text

    return Column(", ".join(f"`{each}`" for each in allowed) + (f"; default `{default}`" if default else ""), read)


def _with_hint(allowed: str, given: str, names: Iterable[str]) -> str:
    hint = did_you_mean(given, sorted(names))
    return f"{allowed}.{hint}" if hint else allowed


_ADDRESS = Column("an e-mail address", _email)
_DAY = Column("an ISO 8601 date", _date)

COLUMNS: Mapping[str, Column] = {
    "report_template": Column("ID or key of a report template; needed if the task has no `template`"),
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
    "user_email": Column(_ADDRESS.allowed, _email, mandatory=True),
    "user_first_name": Column(),
    "user_last_name": Column(),
    "user_phone": Column(),
    "user_salutation": _one_of(*SALUTATIONS),
    "user_locale": _one_of(*LOCALES, default="de_DE"),
    "user_timezone": Column("a name of the tz database; default `UTC`", _timezone),
    "personal_message": Column(),
    "reason": Column("text that distinguishes reports of one company; part of the row's key"),
    "submission_date": _DAY,
    "creation_date": _DAY,
    "customer_identifier": Column(
        "your own identifier of the company; the row's key, together with template and reason"
    ),
    "provider_notification": _one_of(*NOTIFICATIONS, default="directly"),
    **{
        f"{requestor}_{part}": _ADDRESS if part == "email" else Column()
        for requestor in ("requestor", "requestor2", "requestor3")
        for part in ("email", "first_name", "last_name")
    },
}
"""Columns by name, in the order of the vendor's page. The platform sets the defaults: an empty value is not sent."""
