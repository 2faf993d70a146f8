"""Generate consistent answers of a company, by field of :mod:`airflow_provider_openesg.sandbox.vsme`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

    from airflow_provider_openesg.sandbox.organizations import Organization

TOPICS = (
    "Climate change",
    "Pollution",
    "Water and marine resources",
    "Biodiversity and ecosystems",
    "Circular economy",
    "Own workforce",
    "Workers in the value chain",
    "Affected communities",
    "Consumers and end-users",
    "Business conduct",
)
POLLUTANTS = ("Nitrogen oxides (NOx)", "Particulate matter (PM10)", "NMVOC", "Ammonia (NH3)", "Zinc and compounds")
WASTES = (
    ("15 01 01 Paper and cardboard packaging", False, "recycling"),
    ("17 04 05 Iron and steel", False, "recycling"),
    ("20 03 01 Mixed municipal waste", False, "incineration"),
    ("13 02 05 Mineral-based engine, gear and lubricating oils", True, "recycling"),
    ("15 02 02 Absorbents, wiping cloths contaminated by dangerous substances", True, "incineration"),
)
MATERIALS = ("Steel", "Aluminium", "Paper and cardboard", "Polyethylene", "Wood", "Cotton", "Cement")
HAZARDS = ("Heat wave", "River flood", "Drought", "Storm", "Rising carbon price", "Changing customer behaviour")
TEXTS = (
    "Wir erfassen die Daten seit 2022 an allen Standorten.",
    "Measured at the main site, estimated for the others.",
    "Photovoltaikanlage mit 240 kWp seit Mai 2024; Umstellung des Fuhrparks bis 2030.",
    "ISO 14001 since 2019, audited every year.\nNext audit: autumn 2026.",
    'Siehe Nachhaltigkeitsbericht, Kapitel 3 ("Umwelt & Energie").',
    "Our largest customers are in the automotive industry; most suppliers are within 150 km.",
    "Geschäftsführung und Umweltbeauftragte prüfen die Ziele jedes Quartal.",
)
SHORT_TEXTS = {
    "c2.accountable": ("Managing director", "Head of sustainability", "Geschäftsführung"),
    "c2.maturity": ("2/5", "3/5", "4/5"),
    "conduct.contact": ("nachhaltigkeit@lieferant.example", "Einkauf, Tel. +49 30 1234567"),
}
YES_SHARE = {"c7.incidents_own_workforce": 0.01, "c7.incidents_value_chain": 0.02, "c8.excluded_from_benchmarks": 0.03}
"""Share of "yes" answers by question. The default is 0.66."""


def facts_of(company: Organization, year: int, draw: random.Random) -> dict[str, Any]:
    """Return a company's answers for a year by field. A multi-instance section has a list of answers by field."""
    money = _size(company, year, draw)
    return {**money, **_environment(money, draw), **_people(money, company, draw), **_lists(money, company, draw)}


def _size(company: Organization, year: int, draw: random.Random) -> dict[str, Any]:
    employees = max(3, int(draw.lognormvariate(4.0, 0.8)))
    turnover = round(employees * draw.uniform(90_000, 320_000), 2)
    code, name = company.trade[1:]
    period = f"{year}-01-01 - {year}-12-31"
    return {
        "b1.module_option": draw.choice(("Basic Module only", "Basic and Comprehensive Module")),
        "b1.omitted_information": draw.random() < 0.1,
        "b1.consolidated": draw.random() < 0.2,
        "b1.reporting_period": period,
        "b1.legal_form": company.record["type"],
        "b1.nace_code": f"{code} | {name}",
        "b1.balance_sheet_total": round(turnover * draw.uniform(0.4, 1.1), 2),
        "b1.turnover": turnover,
        "b1.employees_headcount": employees,
        "b1.employees_fte": round(employees * draw.uniform(0.82, 1), 1),
        "b1.country_of_operations": company.country,
        "company.nace_code": f"{code} | {name}",
        "company.employees": employees,
        "company.turnover": turnover,
        "conduct.certificate_period": f"{year - 1}-07-01 - {year + 2}-06-30",
        "c3.implementation_period": f"{year}-01-01 - {year + 9}-12-31",
    }


def _environment(size: Mapping[str, Any], draw: random.Random) -> dict[str, Any]:
    """Return energy, emissions, water and waste figures that are consistent with each other and the company size."""
    employees, turnover = size["b1.employees_headcount"], size["b1.turnover"]
    electricity, fuels = employees * draw.uniform(2, 14), employees * draw.uniform(3, 22)
    green, bio = draw.uniform(0.2, 1), draw.uniform(0, 0.1)
    renewable, bought = round(electricity * green, 2), round(electricity * (1 - green), 2)
    biogenic, fossil = round(fuels * bio, 2), round(fuels * (1 - bio), 2)
    total = round(renewable + bought + biogenic + fossil, 2)
    scope_1, scope_2 = round(fossil * 0.22, 2), round((renewable + bought) * 0.363, 2)
    water, waste = round(employees * draw.uniform(8, 60), 1), round(employees * draw.uniform(0.3, 6), 2)
    land = round(draw.uniform(0.2, 9), 2)
    sensitive = draw.choice((0, 0, 0, 1))
    base = round((scope_1 + scope_2) * draw.uniform(1.05, 1.4), 2)
    return {
        "b3.electricity_renewable": renewable,
        "b3.electricity_non_renewable": bought,
        "b3.fuels_renewable": biogenic,
        "b3.fuels_non_renewable": fossil,
        "b3.energy_total": total,
        "b3.scope_1": scope_1,
        "b3.scope_2_location_based": scope_2,
        "b3.scope_2_market_based": round(bought * 0.42, 2),
        "b3.scope_3": round((scope_1 + scope_2) * draw.uniform(3, 12), 2),
        "b3.ghg_total": round(scope_1 + scope_2, 2),
        "b3.ghg_intensity": round((scope_1 + scope_2) / turnover * 1e6, 2),
        "climate.energy_total": total,
        "climate.scope_1": scope_1,
        "climate.scope_2": scope_2,
        "b5.sites_near_sensitive_areas": sensitive,
        "b5.area_near_sensitive_areas": round(land * 0.3, 2) if sensitive else 0.0,
        "b5.land_use_total": land,
        "b5.land_sealed": round(land * draw.uniform(0.3, 0.8), 2),
        "b5.nature_oriented_on_site": round(land * 0.15, 2),
        "b5.nature_oriented_off_site": 0.0,
        "b6.water_withdrawal": water,
        "b6.water_withdrawal_stress": round(water * draw.choice((0, 0, 0.4)), 1),
        "b6.water_discharge": round(water * 0.7, 1),
        "b6.water_consumption": round(water - round(water * 0.7, 1), 1),
        "b7.waste_total": waste,
        "b7.waste_hazardous": round(waste * 0.08, 2),
        "b7.waste_recycled": round(waste * draw.uniform(0.4, 0.85), 2),
        "c3.base_year": 2019,
        "c3.target_year": draw.choice((2030, 2035, 2040)),
        "c3.base_emissions": base,
        "c3.target_emissions": round(base * 0.58, 2),
        "c8.revenue_controversial_weapons": 0.0,
        "c8.revenue_tobacco": 0.0,
        "c8.revenue_fossil_fuels": round(turnover * 0.02, 2) if draw.random() < 0.05 else 0.0,
        "c8.revenue_chemicals": 0.0,
    }


def _people(size: Mapping[str, Any], company: Organization, draw: random.Random) -> dict[str, Any]:
    employees = size["b1.employees_headcount"]
    temporary, female = int(employees * draw.uniform(0, 0.15)), int(employees * draw.uniform(0.15, 0.65))
    leaders, board = max(2, employees // 12), draw.choice((2, 3, 5))
    women, directors = int(leaders * draw.uniform(0, 0.6)), draw.randrange(board)
    accidents = int(employees * draw.uniform(0, 0.04))
    abroad = employees // 10 if draw.random() < 0.25 else 0
    countries = [{"country": company.country, "employees": employees - abroad}]
    if abroad:
        countries.append({"country": "CZ" if company.country == "DE" else "DE", "employees": abroad})
    return {
        "b8.employees_permanent": employees - temporary,
        "b8.employees_temporary": temporary,
        "b8.employees_male": employees - female,
        "b8.employees_female": female,
        "b8.employees_other": 0,
        "b8.employees_gender_not_reported": 0,
        "b8.turnover_rate": round(draw.uniform(2, 18), 1),
        "b8_countries": countries,
        "b9.accidents": accidents,
        "b9.accident_rate": round(accidents / (employees * 1700) * 200_000, 2),
        "b9.fatalities": 0,
        "b10.minimum_wage": True,
        "b10.gender_pay_gap": round(draw.uniform(-2, 16), 1),
        "b10.collective_bargaining": round(draw.choice((0, 0, draw.uniform(20, 100))), 1),
        "b10.training_hours_male": round(draw.uniform(4, 30), 1),
        "b10.training_hours_female": round(draw.uniform(4, 30), 1),
        "b11.convictions": 0,
        "b11.fines": 0.0,
        "c5.management_female": women,
        "c5.management_male": leaders - women,
        "c5.management_ratio": round(women / max(1, leaders - women), 2),
        "c5.self_employed": draw.randrange(4),
        "c5.agency_workers": int(employees * draw.uniform(0, 0.08)),
        "c9.governance_female": directors,
        "c9.governance_male": board - directors,
        "c9.governance_ratio": round(directors / (board - directors), 2),
    }


def _lists(size: Mapping[str, Any], company: Organization, draw: random.Random) -> dict[str, Any]:
    names = ("Stammwerk", "Werk 2", "Lager Süd")[: draw.randint(1, 3)]
    consolidated = size["b1.consolidated"]
    return {
        "b1_sites": [
            {
                "name": name,
                "address": f"Industriestraße {draw.randint(1, 120)}",
                "postal_code": f"{draw.randint(1067, 99998):05d}",
                "city": company.city,
                "country": company.country,
                "geolocation": f"{draw.uniform(47.5, 54.5):.5f}, {draw.uniform(6.5, 14.5):.5f}",
            }
            for name in names
        ],
        "b1_subsidiaries": [
            {"name": f"{company.record['name'].split()[0]} Service GmbH", "registered_address": company.city}
        ]
        if consolidated
        else [],
        "b2": [{"topic": topic} for topic in draw.sample(TOPICS, draw.randint(2, 5))],
        "b4": [
            {"pollutant": name, "emission_to_air": round(draw.uniform(5, 900), 1), "emission_to_water": 0.0}
            for name in draw.sample(POLLUTANTS, draw.randint(0, 2))
        ],
        "b7_waste": [
            {"type": name, "hazardous": hazardous, "amount": round(draw.uniform(0.2, 40), 2), "treatment": treatment}
            for name, hazardous, treatment in draw.sample(WASTES, draw.randint(1, 3))
        ],
        "b7_materials": [
            {
                "material": name,
                "amount": round(draw.uniform(1, 900), 1),
                "recycled_share": round(draw.uniform(0, 80), 1),
            }
            for name in draw.sample(MATERIALS, draw.randint(1, 2))
        ],
        "c4": [
            {
                "hazard": name,
                "time_horizon": draw.choice(("short-term", "medium-term", "long-term")),
                "potential_loss": round(size["b1.turnover"] * draw.uniform(0.001, 0.03), 2),
            }
            for name in draw.sample(HAZARDS, draw.randint(1, 3))
        ],
    }


def answer(fact: str, datatype: str, draw: random.Random) -> Any:
    """Return a random answer to a question without a computed answer, or ``None`` if the company does not answer it."""
    if datatype == "boolean":
        return draw.random() < YES_SHARE.get(fact, 0.66)
    if fact in SHORT_TEXTS:
        return draw.choice(SHORT_TEXTS[fact])
    return draw.choice(TEXTS) if datatype == "text" else None
