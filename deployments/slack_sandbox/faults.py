"""What can be made to go wrong: in the app's calls of the Web API, and in what the sandbox delivers to the app."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from credit_review.errors import BadInput

DELIVERY_KINDS = ("twice", "late", "held", "other_connection")


@dataclass
class ApiFault:
    """A failure of the next `times` calls of a method.

    `status` is the HTTP status to answer, `error` a Slack error code instead; `silent` never answers at all. With `after` the call takes
    effect first, as when the answer is lost on its way back; a silent failure always does.
    """

    method: str
    status: int = 200
    retry_after: int = 1
    error: str = ""
    silent: bool = False
    after: bool = False
    times: int = 1


@dataclass
class DeliveryFault:
    """A disturbance of the next `times` deliveries, of one payload type (block_actions, view_submission, message, …) or of any.

    Kinds: `twice` (both at once), `late` (by `seconds`), `held` (let go after the next delivery), `other_connection` (not the one last
    used).
    """

    kind: str
    payload_type: str = ""
    seconds: float = 0
    times: int = 1


class Faults:
    """The failures that are due, and the rate limit when it is switched on. `every` seconds a channel takes one message after `burst`."""

    def __init__(self) -> None:
        self.of_api: list[ApiFault] = []
        self.of_delivery: list[DeliveryFault] = []
        self.rate_limited, self.every, self.burst = False, 1.0, 3
        self._tokens: dict[str, tuple[float, float]] = {}

    def add(self, wanted: Mapping[str, Any]) -> None:
        """Take note of a fault given as JSON: an ApiFault (with `method`), a DeliveryFault (with `kind`) or {"rate_limited": bool}.

        Raises BadInput when it is none of these.
        """
        try:
            if "rate_limited" in wanted:
                self.rate_limited, self._tokens = bool(wanted["rate_limited"]), {}
            elif "method" in wanted:
                self.of_api.append(ApiFault(**wanted))
            elif wanted.get("kind") in DELIVERY_KINDS:
                self.of_delivery.append(DeliveryFault(**wanted))
            else:
                raise TypeError("neither `method` nor a known `kind`")
        except TypeError as error:
            raise BadInput(f"no such fault: {error}", expected=f"a method to fail, or a kind out of {', '.join(DELIVERY_KINDS)}") from None

    def clear(self) -> None:
        """Everything works again."""
        self.of_api.clear()
        self.of_delivery.clear()
        self.rate_limited, self._tokens = False, {}

    def of_call(self, method: str) -> ApiFault | None:
        """The fault due for a call of a method, used up once."""
        fault = next((f for f in self.of_api if f.method == method), None)
        if fault is not None:
            fault.times -= 1
            self.of_api = [f for f in self.of_api if f.times > 0]
        return fault

    def of_payload(self, payload_type: str) -> DeliveryFault | None:
        """The fault due for a delivery, used up once."""
        fault = next((f for f in self.of_delivery if f.payload_type in ("", payload_type)), None)
        if fault is not None:
            fault.times -= 1
            self.of_delivery = [f for f in self.of_delivery if f.times > 0]
        return fault

    def seconds_to_wait(self, channel: str, now: float) -> int:
        """0 when a channel may take a message now (which is then counted), else the whole seconds to wait."""
        if not self.rate_limited:
            return 0
        tokens, at = self._tokens.get(channel, (float(self.burst), now))
        tokens = min(float(self.burst), tokens + (now - at) / self.every)
        if tokens < 1:
            self._tokens[channel] = (tokens, now)
            return max(1, round((1 - tokens) * self.every))
        self._tokens[channel] = (tokens - 1, now)
        return 0

    def listed(self) -> dict[str, Any]:
        """What is due, as JSON."""
        return {
            "api": [asdict(fault) for fault in self.of_api],
            "delivery": [asdict(fault) for fault in self.of_delivery],
            "rate_limited": self.rate_limited,
        }
