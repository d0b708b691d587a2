"""Fields of a policy, and the values that are searched for the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from trimtab._core import Policy
from trimtab.errors import PolicyError

__all__ = ["Axis", "Space", "breaks_a_rule", "parse_space"]

#: Values of a field: a list, a pair of a low and a high one, or a text.
Values: TypeAlias = "Sequence[object] | str"
#: Fields by their path, and what to try.
Space: TypeAlias = Mapping[str, Values]


@dataclass(frozen=True)
class Choice:
    """One of these values."""

    field: str
    values: tuple[str, ...]

    def suggest(self, trial: Any) -> str:
        """Have Optuna choose."""
        return str(trial.suggest_categorical(self.field, self.values))

    def present(self, policy: Policy) -> str | None:
        """Give the value that the policy has, if it is one of these."""
        value = policy.get(self.field)
        return value if value in self.values else None


@dataclass(frozen=True)
class Range:
    """A number between two others, both included."""

    field: str
    low: float
    high: float
    log: bool
    #: The field takes no other numbers.
    whole: bool

    def suggest(self, trial: Any) -> str:
        """Have Optuna choose, and write four digits of it, as ``trimtab sweep`` does."""
        if self.whole:
            return str(trial.suggest_int(self.field, int(self.low), int(self.high), log=self.log))
        return number_text(trial.suggest_float(self.field, self.low, self.high, log=self.log))

    def present(self, policy: Policy) -> float | int | None:
        """Give the value that the policy has, if it lies between."""
        number = quantity_number(policy.get(self.field))
        if number is None or not self.low <= number <= self.high:
            return None
        return int(number) if self.whole else number


Axis: TypeAlias = "Choice | Range"


def parse_space(policy: Policy, space: Space) -> tuple[Axis, ...]:
    """Give the axes, each tried on the policy.

    A field that is none, or does not take one of its values, is a :class:`trimtab.PolicyError`; a
    space with nothing to search is a `ValueError`.
    """
    if not space:
        raise ValueError("`space` has no fields: give some, such as `{'maxReplicas': (4, 20)}`")
    return tuple(_axis(policy, name, values) for name, values in space.items())


def _axis(policy: Policy, name: str, values: Values) -> Axis:
    if isinstance(values, str):
        first, dots, last = values.removeprefix("log:").partition("..")
        log = values.startswith("log:")
        if dots and "/" not in last:
            return _range(policy, name, _number(name, first), _number(name, last), log)
        if dots or log:
            raise ValueError(
                f"`{values}` is no range for `{name}`: write LOW..HIGH or log:LOW..HIGH"
            )
        return _choice(policy, name, [value.strip() for value in values.split(",")])
    pair = _pair(values)
    if pair is not None:
        low, high = pair
        return _range(policy, name, low, high, log=False)
    return _choice(policy, name, [_text(value) for value in values])


def _choice(policy: Policy, name: str, values: Sequence[str]) -> Choice:
    if not values or "" in values:
        raise ValueError(f"`{name}` has no values, or an empty one")
    for value in values:
        _try(policy, name, value)
    return Choice(name, tuple(dict.fromkeys(values)))


def _range(policy: Policy, name: str, low: float, high: float, log: bool) -> Range:
    if not low < high or (log and low <= 0):
        above = ", and above 0 behind `log:`" if log else ""
        raise ValueError(f"the range of `{name}` has to begin below its end{above}")
    for value in (low, high):
        _try(policy, name, number_text(value))
    return Range(name, low, high, log, whole=not _takes_fractions(policy, name, low, high))


def _try(policy: Policy, name: str, value: str) -> None:
    """Whether the field takes it is told by the policy; rules between fields are not broken yet."""
    try:
        policy.with_fields({name: value})
    except PolicyError as error:
        if not breaks_a_rule(error):
            raise


def _takes_fractions(policy: Policy, name: str, low: float, high: float) -> bool:
    if not (low.is_integer() and high.is_integer()):
        return True
    try:
        policy.with_fields({name: number_text(low + 0.5)})
    except PolicyError as error:
        return breaks_a_rule(error)
    return True


def breaks_a_rule(error: PolicyError) -> bool:
    """Say whether each field is right, and only the policy as a whole is not."""
    return error.message.startswith("the policy breaks a rule")


def number_text(value: float) -> str:
    """Four digits of a number, or all before the point where that is more."""
    if value == 0 or abs(value) >= 1000:
        return str(round(value))
    return format(Decimal(format(value, ".4g")).normalize(), "f")


def quantity_number(text: str | None) -> float | None:
    """Read a number or a quantity in thousandths; other suffixes are not looked at."""
    if text is None:
        return None
    try:
        return float(text.removesuffix("m")) / (1000 if text.endswith("m") else 1)
    except ValueError:
        return None


def _number(name: str, text: str) -> float:
    number = quantity_number(text)
    if number is None:
        raise ValueError(f"`{text}` is no number for the range of `{name}`")
    return number


def _pair(values: Sequence[object]) -> tuple[float, float] | None:
    """Give two numbers in a tuple, and nothing for another list of values."""
    match values:
        case (int() | float() as low, int() | float() as high) if isinstance(values, tuple):
            return float(low), float(high)
    return None


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return number_text(value) if isinstance(value, float) else str(value)
