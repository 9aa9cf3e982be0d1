"""A login that a model finds unlikely for its user."""

from math import exp
from typing import Any, ClassVar

from gatewatch.core import features
from gatewatch.core.detection import Model
from gatewatch.core.familiarity import on_shared_network
from gatewatch.core.signals import Signal
from gatewatch.core.situation import Situation

#: With this many logins known, half of what the model says counts.
_HALF_TRUST = 8.0
#: Below this strength there is no signal.
_LEAST = 0.05


class LoginRisk:
    """A model's judgement of a success against the user's history (ATT&CK T1078).

    strength = `most` / (1 + exp(-(raw - `midpoint`) / `scale`)) · n / (n + 8) with n logins of history: a phone's
    first login is no attack. Halved on a network that many share: an address with much of the tenant's traffic (an
    office), a carrier in a country the user knows. Nothing below 0.05; from `history` logins on. `raw` is taken from
    the context where the model was called in a batch, else computed. The evidence names the model, its raw output
    and, where the model can say so (`explain`), what each level added.

    False positives: a new phone on a new network. Source: Freeman et al. 2016 (see `models.freeman`).
    """

    id: ClassVar[str] = "login_risk"
    attack: ClassVar[tuple[str, ...]] = ("T1078",)
    outcomes: ClassVar[frozenset[str]] = frozenset({"success"})

    def __init__(self, model: Model) -> None:
        if model.feature_version != features.FEATURE_VERSION or model.features != features.NAMES:
            raise ValueError(f"model {model.name} {model.version} was made for other features")
        self.model = model

    def assess(self, situation: Situation) -> Signal | None:
        """The signal for a success the model finds strange."""
        settings = situation.policy.login_risk
        if situation.profile.successes < settings.history or not situation.success:
            return None
        raw = situation.context.models.get(self.model.name)
        if raw is None:
            raw = self.model.score_many((features.vector(situation.features, situation.context),))[0]
        if raw < settings.midpoint - 8 * settings.scale:
            return None
        history = situation.features.total
        strength = settings.most / (1.0 + exp(-(raw - settings.midpoint) / settings.scale))
        strength *= history / (history + _HALF_TRUST)
        if on_shared_network(situation):
            strength *= 0.5
        if strength < _LEAST:
            return None
        return Signal(
            detector=self.id,
            code=self.id,
            kind="learning",
            strength=round(strength, 3),
            attack=self.attack,
            evidence=self._evidence(situation, raw),
        )

    def _evidence(self, situation: Situation, raw: float) -> dict[str, Any]:
        evidence: dict[str, Any] = {
            "model": f"{self.model.name}-{self.model.version}",
            "raw": round(raw, 2),
            "midpoint": situation.policy.login_risk.midpoint,
            "history": round(situation.features.total, 1),
            "tenant_logins": situation.context.frequencies.total,
            "address": situation.event.ip,
            "shared_network": on_shared_network(situation),
        }
        explain = getattr(self.model, "explain", None)
        if explain is not None:
            evidence["terms"] = explain(features.vector(situation.features, situation.context))
        return evidence
