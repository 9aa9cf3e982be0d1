"""What to do about an anomaly, by detector: first what makes sure, then what stops it. Nothing is decided here."""

from collections.abc import Mapping

Steps = tuple[str, ...]

_ASK = "Ask the user, by another way than the account itself, whether this was them."
_LOCK_OUT = "If it was not: end the user's sessions, reset the password and the second factor."
_PASSED = "See whether any of the tries succeeded: the successes of the source are on its page."
_BLOCK = "Block the source, or ask it for a second factor, while it goes on."
_UNLOCK = "Reset the password of every account that let it in, and end their sessions."

_OF_USERS: Mapping[str, Steps] = {
    "account_takeover": (
        "Treat the account as taken over until the user has confirmed the login.",
        "End the user's sessions, reset the password, and see which second factors were added since.",
        "See what else came from the same address: other accounts may have let it in too.",
    ),
    "brute_force": (
        "See whether a success followed: it would stand above these tries in the timeline.",
        "Block the busiest source. One that never stops may be a program whose password has expired.",
        "If somebody got in: reset the password and end the sessions.",
    ),
    "distributed_brute_force": (
        "See whether a success followed from any of the addresses.",
        "Ask this account for a second factor: blocking addresses one by one does not stop it.",
        "If somebody got in: reset the password and end the sessions.",
    ),
    "impossible_travel": (
        _ASK,
        "A first VPN or a phone's carrier can look like this: see both networks.",
        _LOCK_OUT,
    ),
    "new_country": (_ASK, "See whether the device is the user's own: on a journey it usually is.", _LOCK_OUT),
    "new_device": (
        _ASK,
        "A new phone or computer is usual; one from a network the user never used is not.",
        _LOCK_OUT,
    ),
    "unusual_time": (
        "See what else is strange about the login: the time alone says little.",
        _ASK,
        _LOCK_OUT,
    ),
    "dormant_account": (
        "Find out whether the account should still exist: who left keeps no account.",
        _ASK,
        "If it was not them: disable the account and end its sessions.",
    ),
    "login_risk": ("See which of network, country and device is new.", _ASK, _LOCK_OUT),
}
_OF_SOURCES: Mapping[str, Steps] = {
    "brute_force": (_PASSED, _BLOCK, _UNLOCK),
    "password_spraying": (
        _PASSED,
        _BLOCK,
        "Have weak and common passwords changed: spraying tries the same few on everybody.",
        _UNLOCK,
    ),
    "credential_stuffing": (
        _PASSED,
        _BLOCK,
        "Those who were let in use a password that leaked elsewhere: reset it, and end their sessions.",
    ),
    "account_enumeration": (
        "See whether tries on names that exist followed: enumeration comes before an attack.",
        _BLOCK,
        "Make sure that a wrong name and a wrong password are answered alike.",
    ),
}
_OTHERWISE: Steps = ("See the logins it is about in the timeline.", _ASK, _LOCK_OUT)


def steps(detector: str, subject_kind: str) -> Steps:
    """What to do, in order, each one sentence; the detectors of others get what is always right."""
    found = _OF_USERS if subject_kind == "user" else _OF_SOURCES
    return found.get(detector) or _OF_USERS.get(detector, _OTHERWISE)
