"""Login names: of the people of a world, of nobody, and as people mistype them."""

from random import Random

_FIRST_NAMES = """
    anna ben carla david elena frank greta hugo ines jonas kari lars maria nils olga peter ruth sven tara ulla
    victor wanda xenia yusuf zoe amir bela chen dina emil fatou goran hana ivan jamal kofi leila mei noor omar
    priya quentin rosa sanjay tove uma vera wei yara zain
"""
_LAST_NAMES = """
    berg lund holm dahl voss klein roth weber marsh hale stone field brook ford wood lane moreau petit blanc
    garcia lopez vega silva costa rocha kowal nowak zielinska rao mehta iyer shah tanaka sato mori suzuki lim tan
    khan aziz okoye bello mensah dlamini nguyen tran pham smirn bond frost winter sommer
"""
_NICK_WORDS = "dragon sky blue tiger star moon shadow lucky magic silver happy ninja sunny fox crazy pixel"
_SERVICE_NAMES = "admin root test info support backup oracle postgres guest sales scanner office service dev"

_FIRST, _LAST = _FIRST_NAMES.split(), _LAST_NAMES.split()
_WORDS, _SERVICE = _NICK_WORDS.split(), _SERVICE_NAMES.split()
_COUNT = len(_FIRST) * len(_LAST)


def name_of(index: int) -> str:
    """The login name of person number `index`; no two share one."""
    rest, number = divmod(index, _COUNT)
    place = number * 1_009 % _COUNT
    name = f"{_FIRST[place % len(_FIRST)]}.{_LAST[place // len(_FIRST)]}"
    return f"{name}{rest + 1}" if rest else name


def email(name: str) -> str:
    """An address at a documentation domain."""
    return f"{name}@example.com"


def unknown_name(rng: Random) -> str:
    """A name from a list of somebody else's users: no person of any world has it (theirs have a dot)."""
    if rng.random() < 0.1:
        return f"{rng.choice(_SERVICE)}{rng.randrange(100)}"
    if rng.random() < 0.5:
        return f"{rng.choice(_WORDS)}{rng.choice(_WORDS)}{rng.randrange(10_000)}"
    return f"{rng.choice(_FIRST)[0]}{rng.choice(_LAST)}{rng.randrange(1960, 2012)}"


def mistyped(name: str, rng: Random) -> str:
    """The name with two neighbouring letters swapped, or with one left out."""
    at = rng.randrange(1, len(name) - 1)
    if rng.random() < 0.5 and name[at] != name[at + 1]:
        return name[:at] + name[at + 1] + name[at] + name[at + 2 :]
    return name[:at] + name[at + 1 :]
