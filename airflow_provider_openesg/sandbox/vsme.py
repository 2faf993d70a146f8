"""The sandbox's two templates as data: EFRAG's VSME standard of December 2024 (names of its disclosures), and a shorter one.

Each section is a line ``key | name``, followed by one indented line per field, ``key | name | datatype unit | flags``. A section belongs to
the module above it. ``*`` after its key marks a multi-instance section. Flags: ``!`` required, ``m`` has measurements (estimated or
measured), ``a`` attachment optional, ``A`` attachment required, ``c`` comment allowed, ``0..100`` bounds.
"""

# One line per question. Names contain the dashes that EFRAG uses.
# ruff: noqa: E501, RUF001

from __future__ import annotations

VSME = """
= basic | Basic Module
b1 | B1 – Basis for preparation
  module_option | Basis of the report: Basic Module only, or Basic and Comprehensive Module | short_text | !
  omitted_information | Classified or sensitive information has been omitted | boolean | !
  consolidated | The report is prepared on a consolidated basis | boolean | !
  reporting_period | Reporting period | daterange | !
  legal_form | Legal form of the undertaking | short_text | !
  nace_code | Sector of activity (NACE) | eu_economic_activity | !
  balance_sheet_total | Size of balance sheet | decimal EUR | !a 0..
  turnover | Turnover | decimal EUR | !a 0..
  employees_headcount | Number of employees, headcount | integer headcount | ! 0..
  employees_fte | Number of employees, full-time equivalents | decimal FTE | m 0..
  country_of_operations | Country of primary operations | string | !
  certifications | Sustainability-related certifications or labels | text | ac
b1_subsidiaries* | B1 – Subsidiaries in a consolidated report
  name | Name of the subsidiary | short_text | !
  registered_address | Registered address | string | !
b1_sites* | B1 – Sites owned, leased or managed
  name | Name of the site | short_text | !
  address | Address | string |
  postal_code | Postal code | string |
  city | City | string |
  country | Country | string | !
  geolocation | Geolocation (latitude, longitude) | string |
b2* | B2 – Practices, policies and future initiatives for transitioning towards a more sustainable economy
  topic | Sustainability topic | short_text | !
  practices | Practices are in place | boolean | !
  policies | Policies are in place | boolean | !
  policies_public | The policies are publicly available | boolean | c
  future_initiatives | Future initiatives are planned | boolean | !
  targets | The policies have targets | boolean | !
b3 | B3 – Energy and greenhouse gas emissions
  electricity_renewable | Electricity from renewable sources | decimal MWh | !ma 0..
  electricity_non_renewable | Electricity from non-renewable sources | decimal MWh | !m 0..
  fuels_renewable | Fuels from renewable sources | decimal MWh | m 0..
  fuels_non_renewable | Fuels from non-renewable sources | decimal MWh | !m 0..
  energy_total | Total energy consumption | decimal MWh | !mac 0..
  scope_1 | Gross Scope 1 greenhouse gas emissions | decimal t_co2e | !mac 0..
  scope_2_location_based | Gross Scope 2 greenhouse gas emissions, location-based | decimal t_co2e | !mc 0..
  scope_2_market_based | Gross Scope 2 greenhouse gas emissions, market-based | decimal t_co2e | m 0..
  scope_3 | Gross Scope 3 greenhouse gas emissions | decimal t_co2e | mac 0..
  ghg_total | Total greenhouse gas emissions (Scope 1 and 2, location-based) | decimal t_co2e | !m 0..
  ghg_intensity | Greenhouse gas intensity of turnover | decimal t_co2e_per_eur_m | m 0..
b4* | B4 – Pollution of air, water and soil
  pollutant | Pollutant | short_text | !
  emission_to_air | Emission to air | decimal kg | m 0..
  emission_to_water | Emission to water | decimal kg | m 0..
  emission_to_soil | Emission to soil | decimal kg | m 0..
  report_link | Publicly available document with this information | string | a
b5 | B5 – Biodiversity
  sites_near_sensitive_areas | Sites in or near biodiversity-sensitive areas | integer sites | ! 0..
  area_near_sensitive_areas | Area of those sites | decimal ha | m 0..
  land_use_total | Total use of land | decimal ha | m 0..
  land_sealed | Total sealed area | decimal ha | m 0..
  nature_oriented_on_site | Total nature-oriented area on-site | decimal ha | 0..
  nature_oriented_off_site | Total nature-oriented area off-site | decimal ha | 0..
b6 | B6 – Water
  water_withdrawal | Total water withdrawal | decimal m3 | !m 0..
  water_withdrawal_stress | Water withdrawal at sites in areas of high water-stress | decimal m3 | m 0..
  water_discharge | Water discharge from production processes | decimal m3 | m 0..
  water_consumption | Water consumption | decimal m3 | m 0..
b7 | B7 – Resource use, circular economy and waste management
  circular_principles | Circular economy principles are applied | boolean | !c
  circular_description | How circular economy principles are applied | text | a
  waste_total | Total annual generation of waste | decimal t | !ma 0..
  waste_hazardous | of which hazardous | decimal t | !m 0..
  waste_recycled | Annual waste diverted to recycling or reuse | decimal t | !m 0..
b7_waste* | B7 – Waste by type
  type | Type of waste | short_text | !
  hazardous | Hazardous | boolean | !
  amount | Amount | decimal t | !m 0..
  treatment | Treatment | short_text |
b7_materials* | B7 – Annual mass-flow of relevant materials used
  material | Material | short_text | !
  amount | Amount | decimal t | !m 0..
  recycled_share | Share of recycled content | decimal percent | 0..100
b8 | B8 – Workforce – General characteristics
  employees_permanent | Employees with a permanent contract | integer headcount | ! 0..
  employees_temporary | Employees with a temporary contract | integer headcount | ! 0..
  employees_male | Male employees | integer headcount | ! 0..
  employees_female | Female employees | integer headcount | ! 0..
  employees_other | Employees of other gender | integer headcount | 0..
  employees_gender_not_reported | Employees whose gender is not reported | integer headcount | 0..
  turnover_rate | Employee turnover rate | decimal percent | 0..
b8_countries* | B8 – Employees by country of the employment contract
  country | Country | string | !
  employees | Employees | integer headcount | ! 0..
b9 | B9 – Workforce – Health and safety
  accidents | Recordable work-related accidents | integer accidents | ! 0..
  accident_rate | Rate of recordable work-related accidents (per 200,000 hours worked) | decimal rate | m 0..
  fatalities | Fatalities as a result of work-related injuries and work-related ill health | integer fatalities | !c 0..
b10 | B10 – Workforce – Remuneration, collective bargaining and training
  minimum_wage | Employees receive pay equal to or above the minimum wage | boolean | !
  gender_pay_gap | Percentage gap in pay between female and male employees | decimal percent | -100..100
  collective_bargaining | Employees covered by collective bargaining agreements | decimal percent | ! 0..100
  training_hours_male | Average annual training hours per male employee | decimal hours | m 0..
  training_hours_female | Average annual training hours per female employee | decimal hours | m 0..
b11 | B11 – Convictions and fines for corruption and bribery
  convictions | Convictions for violation of anti-corruption and anti-bribery laws | integer convictions | ! 0..
  fines | Total amount of fines for these violations | decimal EUR | !ac 0..
= comprehensive | Comprehensive Module
c1 | C1 – Strategy: Business Model and Sustainability – Related Initiatives
  products_services | Significant groups of products or services | text | !
  markets | Significant markets | text | !
  business_relationships | Main business relationships | text |
  strategy | Key elements of the strategy that relate to sustainability issues | text | ac
c2 | C2 – Description of practices, policies and future initiatives for transitioning towards a more sustainable economy
  description | Description of practices, policies and future initiatives | text | !a
  accountable | Most senior level accountable for implementing them | short_text |
  maturity | Self-assessed maturity of sustainability management | maturity_scale |
c3 | C3 – GHG reduction targets and climate transition
  base_year | Base year | integer year | 1990..
  target_year | Target year | integer year | 2025..
  base_emissions | Emissions in the base year (Scope 1 and 2) | decimal t_co2e | m 0..
  target_emissions | Target for emissions (Scope 1 and 2) | decimal t_co2e | 0..
  scope_3_target | There is a target for Scope 3 | boolean |
  transition_plan | A transition plan for climate change mitigation has been adopted | boolean | c
  implementation_period | Period in which the plan is implemented | daterange |
  actions | Main actions to achieve the targets | text | a
c4* | C4 – Climate risks
  hazard | Climate-related hazard or transition event | short_text | !
  exposure | Exposure and sensitivity of assets, activities and value chain | text |
  time_horizon | Time horizon | short_text |
  adaptation | Adaptation actions have been undertaken | boolean | c
  potential_loss | Potential adverse effect on financial performance | decimal EUR | m 0..
c5 | C5 – Additional (general) workforce characteristics
  management_female | Women at management level | integer headcount | 0..
  management_male | Men at management level | integer headcount | 0..
  management_ratio | Female-to-male ratio at management level | decimal ratio | 0..
  self_employed | Self-employed people without personnel who work exclusively for the undertaking | integer headcount | 0..
  agency_workers | Temporary workers provided by undertakings primarily engaged in employment activities | integer headcount | 0..
c6 | C6 – Additional own workforce information – Human rights policies and processes
  code_of_conduct | There is a code of conduct or human rights policy for the own workforce | boolean | !A
  covers_child_labour | It covers child labour | boolean |
  covers_forced_labour | It covers forced labour | boolean |
  covers_human_trafficking | It covers human trafficking | boolean |
  covers_discrimination | It covers discrimination | boolean |
  covers_accident_prevention | It covers accident prevention | boolean |
  complaints_mechanism | There is a complaints-handling mechanism for the own workforce | boolean | !c
c7 | C7 – Severe negative human rights incidents
  incidents_own_workforce | Confirmed incidents in the own workforce | boolean | !
  incidents_value_chain | Confirmed incidents in the value chain, in affected communities, among consumers or end-users | boolean | !
  actions | Actions taken to address the incidents | text | a
c8 | C8 – Revenues from certain sectors and exclusion from EU reference benchmarks
  revenue_controversial_weapons | Revenues from controversial weapons | decimal EUR | ! 0..
  revenue_tobacco | Revenues from the cultivation and production of tobacco | decimal EUR | ! 0..
  revenue_fossil_fuels | Revenues from the fossil fuel sector | decimal EUR | !c 0..
  revenue_chemicals | Revenues from the production of pesticides and other agrochemicals | decimal EUR | ! 0..
  excluded_from_benchmarks | Excluded from EU reference benchmarks that are aligned with the Paris Agreement | boolean | !
c9 | C9 – Gender diversity ratio in the governance body
  governance_female | Female members of the governance body | integer headcount | 0..
  governance_male | Male members of the governance body | integer headcount | 0..
  governance_ratio | Gender diversity ratio (female to male) | decimal ratio | 0..
"""

SUPPLIER_BASICS = """
company | Company
  nace_code | Sector of activity (NACE) | eu_economic_activity | !
  employees | Number of employees | integer headcount | ! 0..
  turnover | Turnover | decimal EUR | 0..
climate | Climate
  energy_total | Total energy consumption | decimal MWh | !m 0..
  scope_1 | Scope 1 greenhouse gas emissions | decimal t_co2e | m 0..
  scope_2 | Scope 2 greenhouse gas emissions | decimal t_co2e | m 0..
conduct | Conduct
  code_of_conduct | A code of conduct for suppliers is in place | boolean | !a
  certificate_period | Validity of the environmental certificate | daterange | a
  contact | Contact for questions | string |
  remarks | Remarks | text | c
"""

UNITS = {
    "EUR": "€",
    "FTE": "FTE",
    "MWh": "MWh",
    "accidents": "accidents",
    "convictions": "convictions",
    "fatalities": "fatalities",
    "ha": "ha",
    "headcount": "headcount",
    "hours": "h",
    "kg": "kg",
    "m3": "m³",
    "percent": "%",
    "rate": "per 200,000 h",
    "ratio": "ratio",
    "sites": "sites",
    "t": "t",
    "t_co2e": "t CO2e",
    "t_co2e_per_eur_m": "t CO2e / EUR m",
    "year": "year",
}
"""Display names of the units by key."""
