"""Why a login failed, in the words of many sources, as one of our classes."""

from functools import lru_cache

from gatewatch.core.events import Outcome, ReasonClass
from gatewatch.ingest.normalise import clean

#: Well-known reasons, in lower case with underscores.
REASONS: dict[str, ReasonClass] = {
    **dict.fromkeys(
        (
            *("bad_credentials", "invalid_credentials", "bad_password", "wrong_password", "invalid_password"),
            *("incorrect_password", "invalid_user_credentials", "authentication_failed", "invalid_login"),
            *("invalid_username_or_password", "password_mismatch", "bad_public_key"),
        ),
        "bad_credentials",
    ),
    **dict.fromkeys(
        (
            "unknown_user",
            "user_not_found",
            "no_such_user",
            "invalid_user",
            "account_not_found",
            "user_unknown",
        ),
        "unknown_user",
    ),
    **dict.fromkeys(
        (
            *(
                "locked",
                "locked_out",
                "account_locked",
                "user_locked",
                "user_temporarily_disabled",
                "lockout",
            ),
            *("too_many_attempts", "rate_limited", "throttled"),
        ),
        "locked",
    ),
    **dict.fromkeys(
        ("disabled", "account_disabled", "user_disabled", "inactive", "suspended", "deactivated", "blocked"),
        "disabled",
    ),
    **dict.fromkeys(
        (
            "expired",
            "password_expired",
            "account_expired",
            "expired_password",
            "expired_code",
            "session_expired",
        ),
        "expired",
    ),
    **dict.fromkeys(
        (
            *("mfa_denied", "mfa_failed", "bad_otp", "invalid_otp", "otp_failed", "push_denied", "fraud"),
            *("invalid_mfa_code", "user_marked_fraud", "rejected_by_user", "mfa_rejected"),
        ),
        "mfa_denied",
    ),
    **dict.fromkeys(
        ("mfa_timeout", "push_timeout", "mfa_expired", "no_response", "mfa_no_response"), "mfa_timeout"
    ),
    **dict.fromkeys(
        (
            "policy",
            "policy_denied",
            "denied_by_policy",
            "conditional_access",
            "location_not_allowed",
            "ip_blocked",
        ),
        "policy",
    ),
    **dict.fromkeys(
        (
            "config",
            "configuration",
            "invalid_redirect_uri",
            "invalid_client",
            "client_not_found",
            "invalid_scope",
        ),
        "config",
    ),
}


def reason_class(reason: str | None, outcome: Outcome) -> ReasonClass | None:
    """The class of a reason; "other" for one that is not known.

    A failure that gives no reason at all counts as bad_credentials: that is what the sender of a minimal event
    means, and an attack must not escape the counters by being told tersely.
    """
    if not reason:
        return "bad_credentials" if outcome == "failure" else None
    if outcome == "success":
        return None
    return _class_of(reason) if len(reason) <= 64 else "other"


@lru_cache(maxsize=4_096)
def _class_of(reason: str) -> ReasonClass:
    plain = clean(reason).strip().casefold()
    return REASONS.get(plain.replace(" ", "_").replace("-", "_").replace(".", "_"), "other")
