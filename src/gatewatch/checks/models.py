"""The suite for models."""

from collections.abc import Sequence
from math import isfinite

from gatewatch.checks.requirements import attempt, require, require_bounded
from gatewatch.checks.samples import situations
from gatewatch.core import features, profiles
from gatewatch.core.detection import Model

#: The least AUC of a model against logins with strangers' values.
LEAST_AUC = 0.6


def check_model(
    model: Model, *, seed: int = 0, entities: int = 100_000, least_auc: float | None = LEAST_AUC
) -> None:
    """Known features, finite scores, determinism, independence of the rows beside, bounded memory, AUC.

    `least_auc` None: the model does not claim to tell strangers apart before it has learnt.
    """
    name = f"Model {model.name!r}"
    require(bool(model.version), name, "has no version")
    require(model.feature_version == features.FEATURE_VERSION, name, "was made for another feature version")
    require(set(model.features) <= set(features.NAMES), name, "reads features that do not exist")
    rows, strange = _rows(model, seed)
    before = [list(row) for row in rows]
    scores = attempt(name, "rows with missing values", lambda: model.score_many(rows))
    require(rows == before, name, "changes the rows it scores")
    require(len(scores) == len(rows), name, f"gives {len(scores)} scores for {len(rows)} rows")
    require(all(isfinite(score) for score in scores), name, "gives a score that is not finite")
    alone = [model.score_many([row])[0] for row in reversed(rows)][::-1]
    require(alone == scores, name, "scores a row differently beside other rows or a second time")
    require(model.score_many([]) == [], name, "gives scores for no rows")
    require_bounded(model, name, (model.score_many([[float(i)] * len(rows[0])]) for i in range(entities)))
    auc = _auc(scores, strange)
    require(least_auc is None or auc >= least_auc, name, f"is no better than chance: its AUC is {auc:.2f}")


def _rows(model: Model, seed: int) -> tuple[list[list[float]], list[bool]]:
    """Rows of logins with the user's own values and with strangers', and which are which."""
    columns = [features.NAMES.index(name) for name in model.features]
    rows: list[list[float]] = [[0.0] * len(columns)]
    strange = [False]
    for situation in situations(seed, 400):
        if situation.event.is_success and situation.features.total:
            row = features.vector(situation.features, situation.context)
            rows.append([row[i] for i in columns])
            strange.append(not situation.features.weights[profiles.IP])
    return rows, strange


def _auc(scores: Sequence[float], strange: Sequence[bool]) -> float:
    """The chance that a stranger's row scores higher than an own one (ties count half)."""
    high = [score for score, is_strange in zip(scores, strange, strict=True) if is_strange]
    low = [score for score, is_strange in zip(scores, strange, strict=True) if not is_strange]
    wins = sum((a > b) + 0.5 * (a == b) for a in high for b in low)
    return wins / (len(high) * len(low))
