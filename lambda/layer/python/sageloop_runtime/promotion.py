"""Promotion: moves the endpoint towards the champion, one step a call, never waiting.

Every call looks at the record and at the endpoint and does what is next. Events about packages
and about the endpoint, the reconciler and the custom resource all make the same call, so that
nothing depends on which of them comes, how often, or in which order.
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from sageloop_runtime.champion import FAILED, LIVE, PROMOTING, Champion, ChampionBook
from sageloop_runtime.endpoints import BUSY, Endpoints, Seen
from sageloop_runtime.errors import TryAgainError, is_missing
from sageloop_runtime.log import log
from sageloop_runtime.metrics import Metrics
from sageloop_runtime.names import is_of_endpoint, package_version
from sageloop_runtime.paging import Pager
from sageloop_runtime.registry import Package, Registry
from sageloop_runtime.retyping import Retyping
from sageloop_runtime.scaling import Scaling
from sageloop_runtime.serving import Serving
from sageloop_runtime.state import StateTable

_STEPS = 3


class Promoter:
    """Rolls champions out.

    Args:
        endpoint: the endpoint's name.
        table: the state table.
        registry: the packages.
        endpoints: the endpoint with what belongs to it.
        scaling: its scaling.
        cloudwatch: a CloudWatch client, to see whether a rollback alarm is red.
        metrics: where Promotions and RollbacksDetected go.
        pager: who is told.

    """

    def __init__(
        self,
        endpoint: str,
        *,
        table: StateTable,
        registry: Registry,
        endpoints: Endpoints,
        scaling: Scaling,
        cloudwatch: Any,
        metrics: Metrics,
        pager: Pager,
    ) -> None:
        self._endpoint = endpoint
        self._table = table
        self._book = ChampionBook(table, endpoint)
        self._registry = registry
        self._endpoints = endpoints
        self._scaling = scaling
        self._retyping = Retyping(self._book, endpoints, scaling)
        self._cloudwatch = cloudwatch
        self._metrics = metrics
        self._pager = pager
        self._dimensions = {"EndpointName": endpoint}

    def converge(self, now: float | None, *, look_for_packages: bool = True) -> str:
        """Do what is next; what was done last, in one word.

        Args:
            now: epoch seconds, None where no event says it.
            look_for_packages: whether a newer approved package may become champion.

        """
        done = "nothing"
        for _ in range(_STEPS):
            serving = self._serving()
            if serving is None:
                return "no document"
            champion = self._book.read()
            self._pager.flush(self._book.row_id, champion.row, self._dimensions, now)
            if champion.state == PROMOTING:
                step = self._advance(champion, serving, now)
            elif champion.row.get("frozen") or champion.state == "deleting":
                return "frozen"
            elif champion.row.get("parked"):
                step = self._rest(serving)
            elif champion.row.get("parked_at") is not None:
                step = self._return(champion, serving, now)
            else:
                step = self._begin(champion, serving, now, look_for_packages=look_for_packages)
            if step is None:
                break
            done = step
            log("promotion step", endpoint=self._endpoint, step=step, config=champion.wanted)
            if step in {"waiting", "blocked", "parked"}:
                break
        self._pager.flush(self._book.row_id, self._book.read().row, self._dimensions, now)
        return done

    # what to promote

    def _serving(self) -> Serving | None:
        """The serving document; None once the endpoint is being deleted."""
        row = self._table.get(f"serving#{self._endpoint}")
        if row is None or row.get("tombstone"):
            self._undo()
            return None
        return Serving.parse(row["document"], self._endpoint)

    def _undo(self) -> None:
        """Take back an endpoint of ours that came up after its tombstone was written."""
        seen = self._endpoints.look()
        if seen is None or seen.status == "Deleting":
            return
        if not is_of_endpoint(self._endpoint, seen.config):
            return
        if seen.status in BUSY:
            raise TryAgainError(f"the endpoint is {seen.status} and cannot be deleted yet")
        self._endpoints.delete()

    def _begin(
        self, champion: Champion, serving: Serving, now: float | None, *, look_for_packages: bool
    ) -> str | None:
        if champion.wish is not None:
            return self._grant(champion, serving, champion.wish, now)
        package = self._candidate(champion) if look_for_packages else None
        if package is None:
            package = self._same_package(champion, serving)
        if package is None:
            return None
        if champion.live_config is not None and self._red_alarm(serving):
            return "blocked"
        if not self._book.write(champion, champion.begun(serving, package, now)):
            return None
        return "begun"

    def _grant(
        self, champion: Champion, serving: Serving, wish: dict[str, Any], now: float | None
    ) -> str | None:
        """Begin what a person asked for, be an alarm red or not: it may be the reason."""
        arn = str(wish["package"])
        if arn == champion.package_arn and champion.state != FAILED:
            return "granted" if self._book.write(champion, {"wish": None}) else None
        try:
            package = self._registry.read(arn)
        except ClientError as error:
            if not is_missing(error):
                raise
            text = f"Package {arn} was asked for by {wish['by']} and is gone."
            return "gone" if self._book.write(champion, {"wish": None, "page": text}) else None
        begun = self._book.write(champion, champion.chosen(serving, package, now))
        return "begun" if begun else None

    def _rest(self, serving: Serving) -> str:
        """Take the endpoint away and keep all that it takes to bring it back."""
        seen = self._endpoints.look()
        if seen is None:
            return "parked"
        if seen.status not in BUSY:
            self._scaling.remove(serving)
            self._endpoints.delete()
        return "waiting"

    def _return(self, champion: Champion, serving: Serving, now: float | None) -> str | None:
        """Bring the endpoint back; what is still going away is waited for."""
        seen = self._endpoints.look()
        if seen is not None and seen.status == "Deleting":
            return "waiting"
        if seen is not None:
            return "up" if self._book.write(champion, {"parked_at": None}) else None
        package = self._registry.read(str(champion.package_arn))
        begun = self._book.write(champion, champion.unparked(serving, package, now))
        return "begun" if begun else None

    def _candidate(self, champion: Champion) -> Package | None:
        """The newest approved package that is not barred, if it is newer than the champion's."""
        barred = set(champion.quarantined)
        for arn in self._registry.approved():
            if arn in barred:
                continue
            package = self._registry.read(arn)
            known = champion.package_arn
            if known is None or champion.state == FAILED:
                return package
            least = max(package_version(known), champion.passed_over)
            return package if package.version > least else None
        return None

    def _same_package(self, champion: Champion, serving: Serving) -> Package | None:
        """The champion's package, if the way it is to be served has changed."""
        arn, state = champion.package_arn, champion.state
        if arn is None or state in {None, FAILED} or arn in champion.quarantined:
            return None
        if serving.digest in {
            champion.row.get("serving_digest"),
            champion.row.get("refused_digest"),
        }:
            return None
        return self._registry.read(arn)

    def _red_alarm(self, serving: Serving) -> bool:
        """Whether a rollback alarm is in ALARM already, which would roll any update back."""
        if not serving.rollback_alarms:
            return False
        answer = self._cloudwatch.describe_alarms(
            AlarmNames=list(serving.rollback_alarms), AlarmTypes=["CompositeAlarm", "MetricAlarm"]
        )
        alarms = [*answer["MetricAlarms"], *answer.get("CompositeAlarms", [])]
        return any(alarm["StateValue"] == "ALARM" for alarm in alarms)

    # how to get there

    def _advance(self, champion: Champion, serving: Serving, now: float | None) -> str | None:
        seen = self._endpoints.look()
        if seen is None:
            return self._ask(champion, serving, None, now)
        if seen.status in BUSY:
            return self._wait(champion, seen, now)
        if seen.status == "InService":
            return self._settled(champion, serving, seen, now)
        if seen.status == "Failed":
            return self._recreate(champion, seen)
        return self._freeze(champion, seen)

    def _wait(self, champion: Champion, seen: Seen, now: float | None) -> str:
        """Remember that what is under way is ours, though the call's answer was lost."""
        creating = seen.status == "Creating" and seen.config == champion.wanted
        if not champion.was_asked and (creating or seen.wanted == champion.wanted):
            self._book.write(champion, {"requested": champion.wanted})
            return "waiting"
        late = champion.overdue(seen, now)
        if late is not None:
            self._book.write(champion, late)
        return "waiting"

    def _ask(
        self, champion: Champion, serving: Serving, seen: Seen | None, now: float | None
    ) -> str | None:
        """Make model and configuration and ask the endpoint to serve them."""
        package = self._registry.read(str(champion.package_arn))
        if serving.config_name(package) != champion.wanted:
            # The document changed since: begin again with what it says now.
            begun = champion.begun(serving, package, now) | {"by": champion.row.get("by")}
            return "begun" if self._book.write(champion, begun) else None
        self._endpoints.prepare(serving, package)
        if seen is None:
            self._endpoints.create(serving, champion.wanted)
        else:
            step = self._update(champion, serving, seen)
            if step != "updating":
                return step
        self._book.write(champion, {"requested": champion.wanted})
        if self._serving() is None:
            return "undone"
        return "waiting"

    def _update(self, champion: Champion, serving: Serving, seen: Seen) -> str | None:
        if not self._retyping.make_way(champion, serving, seen):
            return None
        guarded = champion.row.get("by") is None
        asked = self._endpoints.update(
            serving, champion.wanted, served=seen.config, guarded=guarded
        )
        return "updating" if asked else "waiting"

    def _settled(
        self, champion: Champion, serving: Serving, seen: Seen, now: float | None
    ) -> str | None:
        if seen.config == champion.wanted:
            return self._make_live(champion, serving, seen, now)
        if not champion.was_asked:
            return self._ask(champion, serving, seen, now)
        self._retyping.undo(champion, seen)
        if not self._book.write(champion, champion.rolled_back(seen)):
            return None
        self._metrics.put("RollbacksDetected", 1.0, self._dimensions, at=now)
        return "rolled back"

    def _make_live(
        self, champion: Champion, serving: Serving, seen: Seen, now: float | None
    ) -> str | None:
        """Scaling, pruning, then the record: a crash before it repeats the first two."""
        self._scaling.apply(serving)
        self._endpoints.prune(champion.kept_configs | {seen.config}, serving.keep_configs)
        if not self._book.write(champion, champion.alive(now, seen)):
            return None
        self._metrics.put("Promotions", 1.0, self._dimensions, at=now)
        return LIVE

    def _recreate(self, champion: Champion, seen: Seen) -> str | None:
        """A failed endpoint can only be deleted; its deletion's event creates it anew."""
        change = champion.creation_failed(seen)
        if not self._book.write(champion, change):
            return None
        if change.get("state") == FAILED:
            return "given up"
        self._endpoints.delete()
        return "waiting"

    def _freeze(self, champion: Champion, seen: Seen) -> str | None:
        if not self._book.write(champion, champion.frozen(seen)):
            return None
        return "frozen"
