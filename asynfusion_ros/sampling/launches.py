"""What two launching threads tell each other: which steps the device has been given."""

from __future__ import annotations

import threading

from asynfusion_ros.errors import SamplerError
from asynfusion_ros.sampling.device_work import Event
from asynfusion_ros.sampling.hearing import Step

Span = tuple[Event, Event]
"""The events before and after a step on its lane."""


class Launches:
    """The events of the steps launched so far in one window, under one lock.

    A lane must not wait for an event that was not recorded yet (a GPU would not wait at all), so a
    thread first waits here until its partner has launched the step. Every wait ends: by that, by
    the partner's failure, or by the timeout. There is one for each window.
    """

    def __init__(self, timeout_s: float) -> None:
        """Begin with no step launched."""
        self._changed = threading.Condition()
        self._timeout_s = timeout_s
        self._spans: dict[Step, Span] = {}
        self._failure: str | None = None

    @property
    def failure(self) -> str | None:
        """Why the window failed; None while it has not."""
        with self._changed:
            return self._failure

    def announce(self, step: Step, since: Event, end: Event) -> None:
        """Tell that `step` was launched; its lane is at it between the two events."""
        with self._changed:
            self._spans[step] = (since, end)
            self._changed.notify_all()

    def end_of(self, step: Step) -> Event:
        """Return the event that completes a step; raise SamplerError if it is not launched."""
        return self.span_of(step)[1]

    def span_of(self, step: Step) -> Span:
        """Return the events around a step, once it was launched; raise SamplerError as `end_of`."""
        with self._changed:
            arrived = self._changed.wait_for(
                lambda: step in self._spans or self._failure, self._timeout_s
            )
            if self._failure:
                raise SamplerError(f"gave up waiting for {step}: {self._failure}")
            if not arrived:
                raise SamplerError(
                    f"{step} was not launched within {self._timeout_s} s; the machine may be "
                    "overloaded: raise timeout_s"
                )
            return self._spans[step]

    def fail(self, reason: str) -> None:
        """End all waits with `reason`; only the first reason is kept."""
        with self._changed:
            self._failure = self._failure or reason
            self._changed.notify_all()
