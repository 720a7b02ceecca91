"""A session that looks at the calls of another, and is else that other one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.engines.base import Session, Share
from edgediff_runtimes.tensors import Array


class WrappedSession(Session):
    """Answers as the session inside it does, and says the same of itself."""

    def __init__(self, session: Session) -> None:
        self.inputs = session.inputs
        self.outputs = session.outputs
        self.execution = session.execution
        self.threads = session.threads
        self._session = session

    @abstractmethod
    def run(self, feeds: Mapping[str, Array], *, cancel: CancelToken | None = None) -> dict[str, Array]:
        """Compute the graph; see ``Session.run``."""
        outputs = self._session.run(feeds, cancel=cancel)
        self.threads = self._session.threads  # which some engines tell only now
        return outputs

    def close(self) -> None:
        """Free the graph."""
        self._session.close()

    def shares(self) -> Mapping[str, Share]:
        """Those of the session inside; see ``Session.shares``."""
        return self._session.shares()

    def left(self) -> tuple[str, ...]:
        """Those of the session inside; see ``Session.left``."""
        return self._session.left()
