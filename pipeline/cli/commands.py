"""The commands: one short function each. What they do is elsewhere."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from pipeline.cli.options import (
    ALLOW_OUTSIDE,
    CU_PRICE,
    FORCE,
    JSON,
    MANIFEST,
    OFFLINE,
    RunOptions,
    Text,
    place_options,
    running_options,
    selection_options,
)
from pipeline.errors import ExitCode, UsageError
from pipeline.version import __version__

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 88}


def _check_force(options: dict[str, Any]) -> None:
    if options["force"] and not options["select"]:
        raise UsageError(
            "--force needs --select: it pays again for what is finished",
            hint="name the items: --force --select 'tree-*'",
        )


@click.group(context_settings=CONTEXT)
@click.version_option(__version__, message="scenario-pipeline %(version)s")
def cli() -> None:
    """Turn a manifest of prompts and reference art into finished asset files.

    Nothing is paid twice, nothing paid is lost: after any interruption, type the
    same command again.
    """
    from pipeline.settings import learn_secrets, load_dotenv

    # Whatever the command does with them: any file that it reads may hold them too.
    learn_secrets(os.environ)
    if Path(".env").is_file():
        with suppress(OSError, ValueError, UsageError):  # told where the file is needed
            learn_secrets(load_dotenv(Path()))


@cli.command()
@MANIFEST
@ALLOW_OUTSIDE
@OFFLINE
@JSON
def validate(manifest: Path, **options: Any) -> ExitCode:
    """Check a manifest: every fault at once, as file:line:column. Free."""
    from pipeline.cli.validate import validate_command

    return validate_command(manifest, **options)


@cli.command()
@MANIFEST
@place_options
@selection_options
@FORCE
@ALLOW_OUTSIDE
@JSON
@CU_PRICE
@click.option("--max-cost", metavar="CU", help="A budget to hold the price against.")
@click.option("--long", "long_form", is_flag=True, help="Every item, however many.")
@click.option("--prompts", is_flag=True, help="The prompt that is sent for each item.")
@OFFLINE
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Save the plan with its prices, for run --plan.",
)
@click.option(
    "--detailed-exitcode",
    is_flag=True,
    help="Exit code 10 when there is something to do.",
)
def plan(manifest: Path, **options: Any) -> ExitCode:
    """Show what a run would do to each item, why, and what it costs. Free."""
    from pipeline.cli.plan import plan_command

    _check_force(options)
    return plan_command(manifest, **options)


@cli.command()
@MANIFEST
@place_options
@selection_options
@FORCE
@ALLOW_OUTSIDE
@JSON
@running_options
@click.option(
    "--plan",
    "saved_plan",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Carry out exactly this saved plan; exit code 8 when anything has moved.",
)
@click.option("--frozen", is_flag=True, help="Exit code 8 if anything would be paid.")
def run(manifest: Path, **options: Any) -> ExitCode:
    """Make what is missing; finished items are left alone. Spends."""
    from pipeline.cli.run import run_command

    _check_force(options)
    return run_command(manifest, RunOptions(**options))


@cli.command()
@MANIFEST
@place_options
@selection_options
@ALLOW_OUTSIDE
@JSON
@running_options
def rerun(manifest: Path, **options: Any) -> ExitCode:
    """Try again only what failed, final failures too. Spends."""
    from pipeline.cli.run import run_command

    return run_command(manifest, RunOptions(**options), only_failed=True)


@cli.command()
@MANIFEST
@place_options
@selection_options
@ALLOW_OUTSIDE
@JSON
@running_options
def fetch(manifest: Path, **options: Any) -> ExitCode:
    """Download again what is paid for and missing. Free."""
    from pipeline.cli.run import run_command

    return run_command(manifest, RunOptions(**options), only_fetch=True)


@cli.command()
@click.argument(
    "output",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="OUTPUT",
)
@JSON
def verify(output: Path, *, as_json: bool) -> ExitCode:
    """Check every asset of an output folder against its sidecar. Free."""
    from pipeline.cli.verify import verify_command

    return verify_command(output, as_json=as_json)


@cli.command()
@MANIFEST
@place_options
@ALLOW_OUTSIDE
@click.option("--yes", "-y", is_flag=True, help="Do not ask before removing.")
@JSON
def prune(manifest: Path, **options: Any) -> ExitCode:
    """Remove the files of items that are gone from the manifest. Free."""
    from pipeline.cli.prune import prune_command

    return prune_command(manifest, **options)


@cli.command()
@MANIFEST
@click.argument("item", type=Text(), metavar="ITEM")
@click.option(
    "--adopt", type=Text(), metavar="JOB", help="This job of the service is the item's."
)
@click.option("--resubmit", is_flag=True, help="No job exists: pay for a new one.")
@click.option("--give-up", is_flag=True, help="Book the item as failed, for good.")
@click.option(
    "--link", type=Text(), metavar="JOB", help="Print a link to a job's first picture."
)
@place_options
@ALLOW_OUTSIDE
def resolve(manifest: Path, item: str, **options: Any) -> ExitCode:
    """Show which jobs may be an unsure item's, or decide about it. Free."""
    from pipeline.cli.resolve import resolve_command

    return resolve_command(manifest, item, **options)


@cli.command()
@click.argument(
    "manifest",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="[MANIFEST]",
    required=False,
)
@place_options
@click.option(
    "--contract",
    is_flag=True,
    help="Ask the service what it does, too, and write down what differs.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where the contract goes.  [default: contract.json beside the manifest]",
)
@click.option(
    "--spend",
    metavar="CU",
    help="Ask what costs something too, for at most so many compute units.",
)
@click.option("--skip-rate", is_flag=True, help="Leave out the limit on requests.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before spending.")
def doctor(
    manifest: Path | None,
    *,
    contract: bool,
    out: Path | None,
    spend: str | None,
    skip_rate: bool,
    yes: bool,
    **options: Any,
) -> ExitCode:
    """Check credentials, service, clock, disk and ledger. Free without --spend."""
    from pipeline.cli.doctor import doctor_command

    if not contract and (out or spend or skip_rate or yes):
        raise UsageError("--out, --spend, --skip-rate and --yes belong to --contract")
    if contract and options["emulate"]:
        raise UsageError(
            "--contract asks a service, and --emulate starts none",
            hint="export the address that pipeline emulator prints",
        )
    code = doctor_command(manifest, **options)
    if not contract or code is not ExitCode.OK:
        return code
    from pipeline.cli.contract import contract_command

    return contract_command(
        manifest, out=out, spend=spend, yes=yes, asks_rate=not skip_rate
    )


@cli.command()
@MANIFEST
@place_options
@ALLOW_OUTSIDE
@JSON
def status(manifest: Path, **options: Any) -> ExitCode:
    """Show how far a manifest is, from the ledger alone. Free."""
    from pipeline.cli.status import status_command

    return status_command(manifest, **options)


@cli.command()
@MANIFEST
@click.argument("item", type=Text(), metavar="ITEM")
@place_options
@ALLOW_OUTSIDE
@JSON
def why(manifest: Path, item: str, **options: Any) -> ExitCode:
    """Explain one item: inputs, history, files, and what to do next. Free."""
    from pipeline.cli.why import why_command

    return why_command(manifest, item, **options)


@cli.command()
@click.argument(
    "outputs",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="[OUTPUT]...",
    nargs=-1,
)
@CU_PRICE
@JSON
def spend(outputs: tuple[Path, ...], **options: Any) -> ExitCode:
    """Sum what has been paid, by month, model and manifest. Free."""
    from pipeline.cli.spend import spend_command

    return spend_command(outputs, **options)


@cli.command()
@click.argument("model", type=Text(), metavar="[MODEL]", required=False)
@click.option(
    "--json-schema",
    "as_json_schema",
    is_flag=True,
    help="A JSON Schema of manifests, for editors.",
)
@OFFLINE
@JSON
def schema(model: str | None, **options: Any) -> ExitCode:
    """Show what a model takes, or which models are known here. Free."""
    from pipeline.cli.schema import schema_command

    return schema_command(model, **options)


@cli.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True)
@click.option(
    "--ceiling",
    type=click.IntRange(min=1),
    metavar="N",
    help="Jobs allowed in flight.  [default: no limit]",
)
@click.option(
    "--rpm",
    type=click.IntRange(min=1),
    metavar="N",
    help="Requests allowed a minute.  [default: no limit]",
)
@click.option(
    "--cooldown",
    metavar="N/SECONDS",
    help="After N submits refuse more for so long, such as 10/90.",
)
@click.option(
    "--job-seconds",
    default="1-3",
    show_default=True,
    metavar="LOW-HIGH",
    help="How long a job takes.",
)
@click.option("--seed", type=int, metavar="N", help="For ids, durations and faults.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME=P",
    help="A fault and its probability, such as submit-drop-after=0.1; repeatable.",
)
@click.option(
    "--contract",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Behave like the service that this contract was made with.",
)
def emulator(**options: Any) -> ExitCode:
    """Serve a local stand-in for the service until stopped. Spends nothing."""
    from pipeline.cli.emulator import emulator_command

    return emulator_command(**options)


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a shell's completion script.

    For bash: eval "$(pipeline completion bash)" in ~/.bashrc.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None, "the choices are click's own"
    click.echo(kind(cli, {}, "pipeline", "_PIPELINE_COMPLETE").source())
