"""AADSTS error codes of sign-ins as classes of reasons.

After https://learn.microsoft.com/entra/identity-platform/reference-error-codes. A code that is not here is "other": it
never feeds a counter of attacks.
"""

from gatewatch.core.events import ReasonClass

#: The first step was taken and more is asked for (a second factor, its registration, another device, consent, to stay
#: signed in), or a browser was asked who it is and did not know: nobody was turned away.
CHALLENGES = frozenset(
    {
        *(16000, 50058, 50072, 50074, 50076, 50078, 50079, 50097, 50125, 50127, 50129, 50135, 50140, 50158),
        *(50168, 50180, 50199, 51006, 52004, 65001),
    }
)
#: What is said of a second factor that nobody answered.
TIMED_OUT = ("did not respond", "timed out", "timeout", "not answered", "no answer", "expired")

_STRONG_AUTHENTICATION_FAILED = 500121
_CLASSES: dict[ReasonClass, tuple[int, ...]] = {
    "bad_credentials": (50056, 50064, 50126),
    "unknown_user": (50034, 51004),
    "locked": (50053,),  # as well where the address is one that Microsoft knows attacks from
    "disabled": (50057,),
    "expired": (50055, 50089, 50132, 50133, 50144, 50173, 70008, 70043, 700082),
    "mfa_denied": (_STRONG_AUTHENTICATION_FAILED,),
    "policy": (
        *(50002, 50005, 50105, 50131, 50155, 50177, 50187, 53000, 53001, 53002, 53003, 53004, 53010, 53011),
        *(54000, 80012, 500021, 500022, 500212, 500213, 530034, 530035),
    ),
    "config": (
        *(50001, 50003, 50007, 50010, 50011, 50012, 50020, 50027, 50048, 50107, 50146, 50161, 50170, 50178),
        *(50194, 65002, 65005, 70001, 70011, 500011, 700016, 7000112, 7000215, 7000218, 7000222),
    ),
}
_OF = {code: name for name, codes in _CLASSES.items() for code in codes}


def class_of(code: int, timed_out: bool) -> ReasonClass:
    """The class of a failure's code; `timed_out` tells a second factor that nobody answered from one denied."""
    if code == _STRONG_AUTHENTICATION_FAILED and timed_out:
        return "mfa_timeout"
    return _OF.get(code, "other")
