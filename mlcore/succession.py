"""Which pair is in memory, who still uses the one before, and how the next one takes its place."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter

from mlcore import choice, registry
from mlcore.pair import Pair, free_memory
from mlcore.types import AXES

logger = logging.getLogger(__name__)

FORMER_SECONDS = 600  # how long the pair before stays in memory, so that going back to it takes no time
RETRY_SECONDS = 60  # after which a pair is loaded again that memory or a disk refused
THREAD_SECONDS = 0.5  # in which the thread of a closed pair has ended

Wanted = tuple[str, registry.PairFiles]  # a name, and the files it stands for


class Succession:
    """The pair that answers, the one before for a while, and those somebody still holds. Safe between threads."""

    def __init__(self) -> None:
        self.current: Pair | None = None
        self.fault: str | None = None  # why the pair that was chosen is not the one that answers
        self._former: Pair | None = None
        self._former_until = 0.0
        self._failed: Wanted | None = None  # not tried again until it changes,
        self._failure_may_pass = False  # or RETRY_SECONDS later where this is so
        self._tried_at = 0.0  # when a pair was loaded last
        self._changed: Wanted | None = None  # files seen changed at the last look: perhaps half copied
        self._borrowers: Counter[Pair] = Counter()
        self._closed_at: float | None = None  # when a pair was, whose memory is still to be collected
        self._changing = threading.Lock()

    def borrow(self) -> Pair:
        """Return the pair that answers, loaded if it is the first; to be given back."""
        with self._changing:
            self.current = self.current or self._load(choice.active_name())
            self._borrowers[self.current] += 1
            return self.current

    def borrow_loaded(self) -> Pair | None:
        """Return the pair that answers if it is loaded; to be given back."""
        if self.current is None:
            return None
        with self._changing:
            if self.current:
                self._borrowers[self.current] += 1
            return self.current

    def give_back(self, pair: Pair) -> None:
        """Say that somebody who borrowed it is done with it."""
        with self._changing:
            self._borrowers[pair] -= 1
            self._close_unused(pair)

    def follow(self) -> None:
        """See Engine.follow. For one thread of a process."""
        if (pair := self.current) is None:
            return  # the first texts load what is chosen by then
        self._forget_former(only_due=True)
        self._collect_closed()
        name = choice.active_name(is_fresh=True)
        wanted = (name, registry.files_of(name))
        if self._is_as_wanted(pair, wanted):
            self.fault = self._failed = self._changed = None
            if pair.may_recover and self._is_time_to_retry():
                self._retry(pair)
        elif self._may_be_tried(wanted) and self._is_settled(pair, wanted):
            self._succeed(pair, wanted)

    def close(self) -> None:
        """Let go of all pairs that nobody holds, and of the others when they are given back."""
        self._forget_former(only_due=False)
        with self._changing:
            closed, self.current = self.current, None
            if closed:
                self._close_unused(closed)

    def _is_as_wanted(self, pair: Pair, wanted: Wanted) -> bool:
        """Whether it is the pair; one whose files are gone is: it goes on from memory."""
        name, files = wanted
        is_gone = any(not files[axis] for axis in AXES if axis in pair.models)
        return name == pair.name and (files == pair.files or is_gone)

    def _may_be_tried(self, wanted: Wanted) -> bool:
        return wanted != self._failed or (self._failure_may_pass and self._is_time_to_retry())

    def _is_time_to_retry(self) -> bool:
        return time.monotonic() - self._tried_at >= RETRY_SECONDS

    def _is_settled(self, pair: Pair, wanted: Wanted) -> bool:
        """Whether to load it: another name at once, other files of the same name once two looks find them alike."""
        seen, self._changed = self._changed, wanted
        return wanted[0] != pair.name or seen == wanted

    def _succeed(self, pair: Pair, wanted: Wanted) -> None:
        if not (new := self._former_if(wanted)):
            logger.info("models: %s is loaded to take over from %s", wanted[0], pair.name)
            new = self._load_second(wanted[0])
        if lost := new.refused.keys() - pair.refused.keys():
            reason = "; ".join(new.refused[axis].message for axis in sorted(lost))
            self._failed, self.fault = wanted, f"{wanted[0]} was chosen but does not answer: {reason}"
            self._failure_may_pass = new.may_recover
            logger.error("models: %s goes on: %s", pair.name, self.fault)
            self._let_go(new)
            return
        self.fault = self._failed = self._changed = None
        self._replace(pair, new)
        logger.info("models: %s answers now, after %s", new.name, pair.name)

    def _former_if(self, wanted: Wanted) -> Pair | None:
        former = self._former
        return former if former and (former.name, former.files) == wanted else None

    def _retry(self, pair: Pair) -> None:
        """Load the pair that answers again, for what it lacks; it goes on as it is where that brings nothing."""
        new = self._load_second(pair.name)
        if new.refused.keys() < pair.refused.keys():
            self._replace(pair, new)
            logger.info("models: %s answers now as a whole, or for more than before", new.name)
        else:
            self._let_go(new)

    def _load_second(self, name: str) -> Pair:
        """Load a pair beside the one that answers, never a third: the former goes first."""
        self._forget_former(only_due=False)
        if self._closed_at:
            time.sleep(THREAD_SECONDS)
            self._collect_closed()
        return self._load(name)

    def _load(self, name: str) -> Pair:
        pair = Pair(name)
        self._tried_at = time.monotonic()
        return pair

    def _replace(self, pair: Pair, new: Pair) -> None:
        with self._changing:
            before, self.current = self._former, new
            # Other files of the same name: nobody can ask for the old ones any more.
            self._former = None if pair.name == new.name else pair
            self._former_until = time.monotonic() + FORMER_SECONDS
            for old in (before, pair):
                if old:
                    self._close_unused(old)

    def _forget_former(self, *, only_due: bool) -> None:
        with self._changing:
            if self._former and (not only_due or time.monotonic() >= self._former_until):
                forgotten, self._former = self._former, None
                self._close_unused(forgotten)

    def _collect_closed(self) -> None:
        """Have the memory of a closed pair back, whose thread takes a moment to end."""
        if self._closed_at and time.monotonic() - self._closed_at >= THREAD_SECONDS:
            self._closed_at = None
            free_memory()

    def _close_unused(self, pair: Pair) -> None:
        """Close a pair that neither answers, nor is kept, nor is held by anybody."""
        if pair is not self.current and pair is not self._former and self._borrowers[pair] <= 0:
            del self._borrowers[pair]
            self._let_go(pair)

    def _let_go(self, pair: Pair) -> None:
        pair.close()
        self._closed_at = time.monotonic()
