"""Generate companies and people from a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

LEGAL_FORMS = [
    "ab",
    "adoer",
    "ag",
    "eg",
    "ek",
    "ek-ohg",
    "gbr",
    "gmbh",
    "gmbh-co-kg",
    "kg",
    "kdoer",
    "ltd",
    "ohg",
    "other",
    "part-gmbb",
    "partg",
    "se",
    "se-co-kg",
    "sole-proprietorship",
    "stiftung",
    "stiftung-co-kg",
    "ug",
    "ug-co-kg",
    "natural_person",
]
"""Legal forms from the platform's documentation (page *CSV upload*)."""

ENDINGS = {
    "gmbh": "GmbH",
    "ag": "AG",
    "gmbh-co-kg": "GmbH & Co. KG",
    "kg": "KG",
    "ug": "UG (haftungsbeschränkt)",
    "ohg": "OHG",
    "ek": "e.K.",
    "eg": "eG",
    "se": "SE",
    "gbr": "GbR",
    "partg": "PartG",
    "stiftung-co-kg": "Stiftung & Co. KG",
}
"""Legal forms of the generated German companies, with display names."""

ABROAD = (
    ("AT", "gmbh", "GmbH", "ATU{:08d}", ("Linz", "Graz", "Wels", "Dornbirn")),
    ("NL", "other", "B.V.", "NL{:09d}B01", ("Eindhoven", "Venlo", "Utrecht")),
    ("FR", "other", "SAS", "FR{:011d}", ("Lyon", "Lille", "Colmar")),
    ("SE", "ab", "AB", "SE{:010d}01", ("Malmö", "Göteborg", "Växjö")),
    ("IE", "ltd", "Ltd", "IE{:07d}T", ("Cork", "Galway")),
    ("PL", "other", "Sp. z o.o.", "PL{:010d}", ("Poznań", "Wrocław", "Łódź")),
)
NAMES = [
    "Albrecht",
    "Bauer",
    "Berger",
    "Brandt",
    "Brückner",
    "Dietrich",
    "Ebert",
    "Engelmann",
    "Fuchs",
    "Götz",
    "Hartwig",
    "Heinemann",
    "Hübner",
    "Jäger",
    "Kästner",
    "Keller",
    "Köhler",
    "Krüger",
    "Lindner",
    "Möller",
    "Nowak",
    "Ostermann",
    "Petersen",
    "Reuter",
    "Rösler",
    "Sauer",
    "Schäfer",
    "Schröder",
    "Seidel",
    "Steinbach",
    "Thiele",
    "Ulrich",
    "Vogt",
    "Wagner",
    "Weiß",
    "Winkler",
    "Ziegler",
    "Zimmermann",
    "Rheinland",
    "Westfalen",
    "Hanse",
    "Alpen",
    "Isar",
    "Neckar",
    "Elbe",
    "Weser",
    "Saale",
    "Spessart",
    "Allgäu",
    "Eifel",
]
TRADES = (
    ("Maschinenbau", "28.99", "Manufacture of other special-purpose machinery"),
    ("Metallverarbeitung", "25.62", "Machining"),
    ("Kunststofftechnik", "22.29", "Manufacture of other plastic products"),
    ("Elektrotechnik", "27.12", "Manufacture of electricity distribution and control apparatus"),
    ("Spedition", "49.41", "Freight transport by road"),
    ("Holzbau", "16.23", "Manufacture of other builders' carpentry and joinery"),
    ("Druckerei", "18.12", "Other printing"),
    ("Lebensmittel", "10.89", "Manufacture of other food products"),
    ("Textil", "13.92", "Manufacture of made-up textile articles"),
    ("Verpackungen", "17.21", "Manufacture of corrugated paper and paperboard"),
    ("Gebäudereinigung", "81.21", "General cleaning of buildings"),
    ("Software", "62.01", "Computer programming activities"),
    ("Fischerei", "03.11", "Marine fishing"),
    ("Baustoffe", "23.61", "Manufacture of concrete products for construction purposes"),
    ("Medizintechnik", "32.50", "Manufacture of medical and dental instruments"),
    ("Großhandel", "46.69", "Wholesale of other machinery and equipment"),
)
CITIES = [
    "Aachen",
    "Augsburg",
    "Bielefeld",
    "Bochum",
    "Bremen",
    "Chemnitz",
    "Dortmund",
    "Erfurt",
    "Freiburg",
    "Gütersloh",
    "Hamburg",
    "Hannover",
    "Ingolstadt",
    "Kassel",
    "Kiel",
    "Köln",
    "Leipzig",
    "Lübeck",
    "Mannheim",
    "München",
    "Münster",
    "Nürnberg",
    "Osnabrück",
    "Paderborn",
    "Regensburg",
    "Rostock",
    "Siegen",
    "Stuttgart",
    "Ulm",
    "Würzburg",
]
FIRST_NAMES = [
    "Anna",
    "Aylin",
    "Ben",
    "Clara",
    "David",
    "Elif",
    "Emma",
    "Felix",
    "Greta",
    "Hannah",
    "Jan",
    "Jonas",
    "Julia",
    "Karl",
    "Lena",
    "Lukas",
    "Maria",
    "Mehmet",
    "Nina",
    "Paul",
    "Sofia",
    "Tim",
]


@dataclass(frozen=True, slots=True)
class Organization:
    """A company and its contact person."""

    id: int
    record: dict[str, Any]
    user: dict[str, Any]
    trade: tuple[str, str, str]
    city: str
    country: str


def make_organizations(count: int, seed: int) -> dict[int, Organization]:
    """Return ``count`` companies by ID. Equal seeds produce equal companies."""
    names = [(name, trade) for name in NAMES for trade in TRADES]
    draw = random.Random(f"{seed}/organizations")  # noqa: S311 - not a secret
    draw.shuffle(names)
    return {number: _organization(number, *names[number % len(names)], draw) for number in range(1, count + 1)}


def _organization(number: int, name: str, trade: tuple[str, str, str], draw: random.Random) -> Organization:
    if draw.random() < 0.15:
        country, form, ending, vat_format, cities = draw.choice(ABROAD)
        city, court, register = draw.choice(cities), "", ""
        vat_id = vat_format.format(draw.randrange(10**7))
    else:
        country, form = "DE", draw.choices(list(ENDINGS), weights=[50, 8, 18, 4, 4, 3, 4, 2, 1, 2, 2, 2])[0]
        ending, city = ENDINGS[form], draw.choice(CITIES)
        vat_id = f"DE{draw.randrange(10**8, 10**9)}"
        court, register = (
            f"Amtsgericht {city}",
            f"{'HRA' if 'kg' in form or form == 'ohg' else 'HRB'} {draw.randrange(100, 99999)}",
        )
    host = f"{_ascii(name)}-{_ascii(trade[0])}.example"
    record: dict[str, Any] = {
        "id": number,
        "name": f"{name} {trade[0]} {ending}",
        "type": form,
        "vat_id": vat_id if draw.random() > 0.05 else "",
        "court_of_registration": court,
        "registration_number": register,
        "homepage": f"https://www.{host}" if draw.random() > 0.1 else "",
        "scoped_external_data": {"debtor_number": f"{draw.randrange(10**6):06d}"} if draw.random() < 0.3 else None,
    }
    if number % 60 == 7:
        # An undocumented field, to test that clients keep unknown fields.
        record["employee_size_class"] = "50-249"
    first, last = draw.choice(FIRST_NAMES), draw.choice(NAMES[:38])
    user = {"id": number, "email": f"{_ascii(first)}.{_ascii(last)}@{host}", "first_name": first, "last_name": last}
    return Organization(number, record, user, trade, city, country)


def _ascii(text: str) -> str:
    return text.lower().translate(_LATIN)


_LATIN = {ord("ä"): "ae", ord("ö"): "oe", ord("ü"): "ue", ord("ß"): "ss"}
