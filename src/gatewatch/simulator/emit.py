"""Login events as an application would send them: no place and no network, those come from enrichment."""

from random import Random

from gatewatch.core.events import Activity, App, Auth, LoginEvent, Outcome, ReasonClass, User
from gatewatch.simulator.presence import Where

PASSWORD = Auth(method="password", protocol="oidc", is_mfa=False)
PASSWORD_AND_PUSH = Auth(method="password", factors=("push",), protocol="oidc", is_mfa=True)
PUSH = Auth(method="push", factors=("push",), protocol="oidc", is_mfa=True)


class Emitter:
    """Makes the events of one stream. `rng` belongs to that stream; ids come from it and from the time."""

    def __init__(self, tenant_id: str, app: App, rng: Random) -> None:
        self._tenant_id = tenant_id
        self._app = app
        self._rng = rng

    def failure(
        self, time: int, name: str, where: Where, reason: ReasonClass = "bad_credentials"
    ) -> LoginEvent:
        """A refused attempt: the application knows the name that was typed and nothing else."""
        return self._event(time, User(name=name), where, "failure", reason, PASSWORD)

    def success(self, time: int, user: User, where: Where, auth: Auth = PASSWORD) -> LoginEvent:
        """A login that led to a session."""
        session = f"s{self._rng.getrandbits(64):016x}"
        return self._event(time, user, where, "success", None, auth, session=session)

    def push(self, time: int, user: User, where: Where, reason: ReasonClass | None = None) -> LoginEvent:
        """A push to the user's phone, approved (no reason), denied or ignored."""
        outcome: Outcome = "failure" if reason else "success"
        return self._event(time, user, where, outcome, reason, PUSH, activity="mfa")

    def _event(
        self,
        time: int,
        user: User,
        where: Where,
        outcome: Outcome,
        reason: ReasonClass | None,
        auth: Auth,
        *,
        activity: Activity = "logon",
        session: str = "",
    ) -> LoginEvent:
        return LoginEvent(
            event_id=event_id(time, self._rng.getrandbits(62)),
            tenant_id=self._tenant_id,
            time=time,
            source="native",
            activity=activity,
            outcome=outcome,
            reason=reason or "",
            reason_class=reason,
            user=user,
            ip=where.ip,
            ua=where.ua,
            device_id=where.device_id,
            session_id=session,
            auth=auth,
            app=self._app,
        )


def event_id(time: int, bits: int) -> str:
    """A UUIDv7 (RFC 9562): milliseconds, the microseconds within them, 62 bits. Sorts by time."""
    milliseconds, micro = divmod(time, 1_000)
    text = f"{milliseconds:012x}7{micro:03x}{1 << 63 | bits:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
