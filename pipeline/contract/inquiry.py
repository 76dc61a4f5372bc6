"""One inquiry: which questions to ask a service → the findings."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from pipeline.api.exchange import Exchange, Exchanges
from pipeline.contract.contract_file import Contract
from pipeline.contract.file_probes import ask_files, ask_upload
from pipeline.contract.job_probes import ask_jobs, ask_list, ask_rate
from pipeline.contract.model_probes import ask_model, ask_prices, ask_team
from pipeline.contract.paid_probes import PaidProbes, Step
from pipeline.contract.prober import Known, Prober
from pipeline.record import Struct
from pipeline.settings import Service

SMALL_MODEL_ID = "model_bfl-flux-2-klein-9b"


class Questions(Struct, frozen=True, kw_only=True):
    """What to ask.

    Attributes:
        service: The service to ask.
        model_id: The model to ask about.
        shipped: The model's input names in the table shipped with us; may be empty.
        is_loopback: Whether the service runs on this machine.
        asks_rate: Whether to reach the limit on requests.
        budget: Units that may be spent; 0 to ask only what is free.
        interval_s: The time between two looks at something that changes.
    """

    service: Service
    model_id: str
    shipped: Sequence[str] = ()
    is_loopback: bool = False
    asks_rate: bool = True
    budget: Decimal = Decimal(0)
    interval_s: float = 3.0


class Findings(Struct, frozen=True, kw_only=True):
    """The result of an inquiry.

    Attributes:
        contract: What was observed.
        exchanges: The exchanges it comes from, in order.
        spent: Units that were spent, or may have been.
        trouble: Why something was not asked, or "".
        is_unknown: Whether a submit was sent whose outcome is unknown.
        is_overcharged: Whether more was charged than quoted.
    """

    contract: Contract
    exchanges: Sequence[Exchange]
    spent: Decimal
    trouble: str
    is_unknown: bool
    is_overcharged: bool


class Inquiry:
    """Asks one service.

    Args:
        questions: What to ask.
        exchanges: The service, or a recording of it.
        now: Returns the time, in UTC, as text for the contract file.
        tell: Called with what is being asked.
        agree: Called once with the paid steps; returns whether to take them.
    """

    def __init__(
        self,
        questions: Questions,
        exchanges: Exchanges,
        *,
        now: Callable[[], str],
        tell: Callable[[str], None],
        agree: Callable[[Sequence[Step]], bool],
    ) -> None:
        self._questions = questions
        self._tell = tell
        self._agree = agree
        self._prober = Prober(
            exchanges, questions.model_id, now=now, interval_s=questions.interval_s
        )
        self._paid = PaidProbes(
            self._prober, small_model_id=SMALL_MODEL_ID, budget=questions.budget
        )

    async def ask(self) -> None:
        """Ask everything; the limit on requests comes last, as it blocks the rest."""
        questions = self._questions
        await self._ask_what_is_free()
        if questions.budget:
            steps = await self._paid.plan()
            if self._agree(steps):
                await self._paid.ask(steps, self._tell)
                # If there were no jobs to look at before, there are some now.
                await ask_list(self._prober)
                await ask_jobs(self._prober)
        if questions.asks_rate:
            self._tell("the limit on requests: 120 reads at once")
            await ask_rate(self._prober)

    async def _ask_what_is_free(self) -> None:
        """Run the free probes, in an order in which each finds what it needs."""
        prober = self._prober
        known = Known(
            shipped=frozenset(self._questions.shipped),
            is_loopback=self._questions.is_loopback,
        )
        self._tell("the team and the model")
        await ask_team(prober)
        await ask_model(prober, known)
        self._tell("uploads, jobs and files")
        await ask_upload(prober, known)
        await ask_list(prober)
        await ask_jobs(prober)
        await ask_files(prober, known)
        self._tell("prices, by dry runs")
        await ask_prices(prober, known)

    def findings(self) -> Findings:
        """What has been found so far, even if :meth:`ask` was interrupted."""
        questions, prober = self._questions, self._prober
        contract = Contract(
            base_url=questions.service.base_url,
            project_id=questions.service.project_id,
            model_id=questions.model_id,
            seen=dict(prober.seen),
            models=dict(prober.models),
        )
        return Findings(
            contract=contract,
            exchanges=tuple(prober.kept),
            spent=self._paid.spent,
            trouble=self._paid.trouble,
            is_unknown=self._paid.is_unknown,
            is_overcharged=self._paid.is_overcharged,
        )
