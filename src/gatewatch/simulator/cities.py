"""Places: real cities with coordinates, since travel and distance need a real globe. Times are without DST."""

from typing import NamedTuple


class City(NamedTuple):
    """`country` ISO 3166-1 alpha-2, `region` ISO 3166-2 (without country), degrees, hours ahead of UTC."""

    country: str
    region: str
    name: str
    lat: float
    lon: float
    utc_offset: float


CITIES: tuple[City, ...] = (
    City("NO", "03", "Oslo", 59.913, 10.752, 1),
    City("NO", "46", "Bergen", 60.393, 5.324, 1),
    City("NO", "50", "Trondheim", 63.431, 10.395, 1),
    City("DE", "BE", "Berlin", 52.520, 13.405, 1),
    City("DE", "BY", "Munich", 48.137, 11.575, 1),
    City("DE", "HH", "Hamburg", 53.551, 9.994, 1),
    City("GB", "ENG", "London", 51.507, -0.128, 0),
    City("GB", "ENG", "Manchester", 53.480, -2.242, 0),
    City("GB", "SCT", "Edinburgh", 55.953, -3.189, 0),
    City("FR", "IDF", "Paris", 48.857, 2.352, 1),
    City("FR", "ARA", "Lyon", 45.764, 4.836, 1),
    City("NL", "NH", "Amsterdam", 52.368, 4.904, 1),
    City("NL", "ZH", "Rotterdam", 51.924, 4.478, 1),
    City("PL", "14", "Warsaw", 52.230, 21.012, 1),
    City("PL", "12", "Krakow", 50.065, 19.945, 1),
    City("ES", "MD", "Madrid", 40.417, -3.704, 1),
    City("ES", "CT", "Barcelona", 41.385, 2.173, 1),
    City("US", "NY", "New York", 40.713, -74.006, -5),
    City("US", "IL", "Chicago", 41.878, -87.630, -6),
    City("US", "CA", "San Francisco", 37.775, -122.419, -8),
    City("US", "TX", "Austin", 30.267, -97.743, -6),
    City("CA", "ON", "Toronto", 43.653, -79.383, -5),
    City("CA", "BC", "Vancouver", 49.283, -123.121, -8),
    City("BR", "SP", "Sao Paulo", -23.551, -46.633, -3),
    City("BR", "RJ", "Rio de Janeiro", -22.907, -43.173, -3),
    City("IN", "MH", "Mumbai", 19.076, 72.878, 5.5),
    City("IN", "KA", "Bengaluru", 12.972, 77.594, 5.5),
    City("IN", "DL", "Delhi", 28.614, 77.209, 5.5),
    City("JP", "13", "Tokyo", 35.676, 139.650, 9),
    City("JP", "27", "Osaka", 34.694, 135.502, 9),
    City("SG", "", "Singapore", 1.352, 103.820, 8),
    City("AU", "NSW", "Sydney", -33.869, 151.209, 10),
    City("AU", "VIC", "Melbourne", -37.814, 144.963, 10),
    City("ZA", "GP", "Johannesburg", -26.204, 28.047, 2),
    City("NG", "LA", "Lagos", 6.524, 3.379, 1),
    City("VN", "SG", "Ho Chi Minh City", 10.823, 106.630, 7),
    City("UA", "30", "Kyiv", 50.450, 30.523, 2),
    City("MX", "CMX", "Mexico City", 19.433, -99.133, -6),
)

#: What people are drawn from: Europe and North America carry most users, every place has some.
WEIGHTS: tuple[int, ...] = (
    *(9, 3, 2),  # NO
    *(8, 5, 4),  # DE
    *(9, 4, 2),  # GB
    *(6, 2, 4, 2),  # FR, NL
    *(3, 1, 4, 3),  # PL, ES
    *(9, 4, 6, 3),  # US
    *(4, 2, 3, 1),  # CA, BR
    *(3, 3, 2, 3, 1, 2),  # IN, JP, SG
    *(3, 2, 1, 1, 1, 1, 1),  # AU, ZA, NG, VN, UA, MX
)
