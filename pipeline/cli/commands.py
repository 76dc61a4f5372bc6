"""The commands: one short function each, which calls the module that does the work."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from pipeline.cli.command_group import CONTEXT, Commands
from pipeline.cli.options import (
    ALLOW_OUTSIDE,
    AS_NEW,
    CU_PRICE,
    FORCE,
    ITEMS,
    JSON,
    JUNIT,
    MANIFEST,
    MANIFESTS,
    NOTE,
    OFFLINE,
    PICTURES,
    PROFILE,
    SELECT,
    SHARD,
    STORE,
    HomePath,
    RunOptions,
    Text,
    place_options,
    running_options,
    selection_options,
    spending_options,
)
from pipeline.errors import ExitCode, UsageError
from pipeline.version import __version__


def _check_force(options: dict[str, Any]) -> None:
    if options["force"] and not options["select"]:
        raise UsageError(
            "--force needs --select: it pays again for finished items",
            hint="name the items: --force --select 'tree-*'",
        )


def _only(manifests: tuple[Path, ...], option: str) -> Path:
    """The only manifest, for an option that is about one."""
    if len(manifests) > 1:
        raise UsageError(
            f"{option} is about one manifest, and {len(manifests)} are named",
            hint="use the command once for each",
        )
    return manifests[0]


def _carry_out(
    manifests: tuple[Path, ...],
    options: RunOptions,
    *,
    only_failed: bool = False,
    only_fetch: bool = False,
) -> ExitCode:
    if len(manifests) > 1:
        from pipeline.cli.run_all import run_all_command

        return run_all_command(
            manifests, options, only_failed=only_failed, only_fetch=only_fetch
        )
    from pipeline.cli.run import run_command

    return run_command(
        manifests[0], options, only_failed=only_failed, only_fetch=only_fetch
    )


@click.group(cls=Commands, context_settings=CONTEXT)
@click.version_option(__version__, message="scenario-pipeline %(version)s")
def cli() -> None:
    """Turn a manifest of prompts and reference art into finished asset files.

    Nothing is paid for twice, and nothing paid for is lost: after any interruption,
    run the same command again.
    """
    from pipeline.settings import learn_secrets, load_dotenv

    try:
        Path.cwd()
    except OSError as error:
        raise UsageError(
            f"the current folder cannot be used: {error.strerror}",
            hint="change to an existing folder, then run the same command again",
        ) from error
    # For every command: any file that it reads may contain them too.
    learn_secrets(os.environ)
    # Errors are reported where the file is needed.
    with suppress(OSError, ValueError, UsageError):
        if Path(".env").is_file():
            learn_secrets(load_dotenv(Path()))


@cli.command()
@click.argument("file", type=HomePath(dir_okay=False), metavar="[FILE]", required=False)
@click.option(
    "--from",
    "source",
    type=HomePath(),
    metavar="PATH",
    help="A folder of reference pictures, or a .csv, .tsv, .xlsx or .jsonl file.",
)
@click.option(
    "--model", type=Text(), metavar="ID", help="The model.  [default: Wan 2.7 Image]"
)
@click.option("--yes", "-y", is_flag=True, help="Ask nothing: take the defaults.")
def init(
    file: Path | None, *, source: Path | None, model: str | None, yes: bool
) -> ExitCode:
    """Write a first manifest, with comments that say what is next. Free."""
    from pipeline.cli.init import init_command

    return init_command(file, source=source, model=model, yes=yes)


@cli.command()
@MANIFESTS
@PROFILE
@ALLOW_OUTSIDE
@OFFLINE
@JSON
def validate(manifests: tuple[Path, ...], **options: Any) -> ExitCode:
    """Check a manifest and list every fault as file:line:column. Free."""
    from pipeline.cli.validate import validate_command

    return validate_command(manifests, **options)


@cli.command()
@MANIFESTS
@place_options
@STORE
@selection_options
@FORCE
@AS_NEW
@ALLOW_OUTSIDE
@JSON
@CU_PRICE
@click.option("--max-cost", metavar="CU", help="A budget to compare the price with.")
@click.option(
    "--long", "long_form", is_flag=True, help="List every item, however many."
)
@click.option(
    "--prompts", is_flag=True, help="List every item with the prompt that is sent."
)
@OFFLINE
@click.option(
    "--out",
    type=HomePath(dir_okay=False),
    metavar="FILE",
    help="Save the plan with its prices for run --plan.",
)
@click.option(
    "--markdown",
    type=HomePath(dir_okay=False),
    metavar="FILE",
    help="Write the plan as Markdown, for a comment on a pull request.",
)
@click.option(
    "--base",
    type=HomePath(dir_okay=False),
    metavar="FILE",
    help="For --markdown: show what is new since this output of plan --json.",
)
@click.option(
    "--detailed-exitcode",
    is_flag=True,
    help="Exit with code 10 if a run may pay, and 13 if what it would do is free.",
)
@click.option(
    "--profiles",
    is_flag=True,
    help="Show instead what a run with each of the manifest's profiles would cost.",
)
def plan(manifests: tuple[Path, ...], *, profiles: bool, **options: Any) -> ExitCode:
    """Show what a run would do to each item, why, and what it costs. Free."""
    from pipeline.cli.plan import plan_command

    _check_force(options)
    if profiles:
        from pipeline.cli.plan_profiles import plan_profiles_command

        return plan_profiles_command(_only(manifests, "--profiles"), **options)
    if len(manifests) > 1:
        from pipeline.cli.plan_all import plan_all_command

        return plan_all_command(manifests, **options)
    return plan_command(manifests[0], **options)


@cli.command()
@MANIFESTS
@place_options
@STORE
@selection_options
@FORCE
@AS_NEW
@ALLOW_OUTSIDE
@JSON
@spending_options
@running_options
@click.option(
    "--plan",
    "saved_plan",
    type=HomePath(dir_okay=False),
    metavar="FILE",
    help="Carry out exactly this saved plan; exit with code 8 if anything has changed.",
)
@click.option(
    "--frozen", is_flag=True, help="Exit with code 8 if anything would be paid for."
)
@JUNIT
def run(manifests: tuple[Path, ...], **options: Any) -> ExitCode:
    """Generate the missing assets; finished items are left alone. Costs units."""
    _check_force(options)
    return _carry_out(manifests, RunOptions(**options))


@cli.command()
@MANIFESTS
@place_options
@STORE
@selection_options
@ALLOW_OUTSIDE
@JSON
@spending_options
@running_options
@JUNIT
def rerun(manifests: tuple[Path, ...], **options: Any) -> ExitCode:
    """Try failed items again, also those that failed for good. Costs units."""
    return _carry_out(manifests, RunOptions(**options), only_failed=True)


@cli.command()
@MANIFESTS
@place_options
@STORE
@selection_options
@ALLOW_OUTSIDE
@JSON
@running_options
@JUNIT
def fetch(manifests: tuple[Path, ...], **options: Any) -> ExitCode:
    """Download files that are paid for but missing. Free."""
    return _carry_out(manifests, RunOptions(**options), only_fetch=True)


@cli.command()
@click.argument("output", type=click.Path(), metavar="OUTPUT|URL")
@click.option(
    "--sample",
    metavar="PERCENT",
    help="Check only this share of the assets, such as 5%, chosen at random.",
)
@click.option(
    "--progress",
    type=HomePath(dir_okay=False),
    metavar="FILE",
    help="Record in FILE which assets are whole, and skip them next time.",
)
@JSON
def verify(output: str, **options: Any) -> ExitCode:
    """Check every asset of a folder or a store against its sidecar. Free."""
    from pipeline.cli.verify import verify_command

    return verify_command(output, **options)


@cli.command()
@click.argument("output", type=click.Path(), metavar="OUTPUT|URL")
@click.option(
    "--out",
    type=HomePath(dir_okay=False),
    default="index.jsonl",
    metavar="FILE",
    help="A .jsonl or .parquet file.  [default: index.jsonl]",
)
def index(output: str, *, out: Path) -> ExitCode:
    """Write a table of all assets of a folder or a store. Free."""
    from pipeline.cli.index import index_command

    return index_command(output, out=out)


@cli.command()
@click.argument(
    "places", type=click.Path(), metavar="OUT|URL...", nargs=-1, required=True
)
@click.option(
    "--output",
    "-o",
    type=HomePath(file_okay=False),
    required=True,
    metavar="DIR",
    help="The output folder to merge them into.",
)
@click.option(
    "--store",
    type=Text(),
    default="",
    metavar="URL",
    help="The store for the merged files, such as s3://bucket/prefix.",
)
@click.option(
    "--junit",
    type=HomePath(dir_okay=False),
    metavar="FILE",
    help="Also join the JUnit reports beside the folders into this file.",
)
@JSON
def merge(places: tuple[str, ...], **options: Any) -> ExitCode:
    """Merge what shards have made, in folders or stores. Free."""
    from pipeline.cli.merge import merge_command

    return merge_command(places, **options)


@cli.command()
@click.argument("file", type=HomePath(dir_okay=False), metavar="FILE")
@PICTURES
def show(file: Path, *, pictures: bool) -> ExitCode:
    """Print the manifest item that would make a saved file again. Free."""
    from pipeline.cli.show import show_command

    return show_command(file, pictures=pictures)


@cli.command()
@MANIFEST
@place_options
@STORE
@ALLOW_OUTSIDE
@click.option("--yes", "-y", is_flag=True, help="Do not ask before removing.")
@JSON
def prune(manifest: Path, **options: Any) -> ExitCode:
    """Remove the files of items that are no longer in the manifest. Free."""
    from pipeline.cli.prune import prune_command

    return prune_command(manifest, **options)


@cli.command()
@MANIFEST
@click.argument("item", type=Text(), metavar="ITEM")
@click.argument("take", type=Text(), metavar="TAKE")
@place_options
@STORE
@ALLOW_OUTSIDE
@JSON
def pick(manifest: Path, item: str, take: str, **options: Any) -> ExitCode:
    """Choose a take of an item: its file gets the item's own name. Free."""
    from pipeline.cli.pick import pick_command

    return pick_command(manifest, item, take, **options)


@cli.command()
@MANIFEST
@ITEMS
@NOTE
@place_options
@STORE
@ALLOW_OUTSIDE
@JSON
def approve(manifest: Path, items: tuple[str, ...], **options: Any) -> ExitCode:
    """Approve takes: each item's chosen one, or one such as hero@2. Free."""
    from pipeline.cli.pick import approve_command

    return approve_command(manifest, items, **options)


@cli.command()
@MANIFEST
@ITEMS
@NOTE
@place_options
@STORE
@ALLOW_OUTSIDE
@JSON
def reject(manifest: Path, items: tuple[str, ...], **options: Any) -> ExitCode:
    """Reject takes: each item's chosen one, or one such as hero@2. Free."""
    from pipeline.cli.pick import reject_command

    return reject_command(manifest, items, **options)


@cli.command()
@MANIFEST
@ITEMS
@click.option(
    "--seed",
    type=int,
    metavar="N",
    help="The seed of the new takes.  [default: a random one each]",
)
@NOTE
@place_options
@STORE
@ALLOW_OUTSIDE
@JSON
@spending_options
@running_options
@JUNIT
def redo(
    manifest: Path,
    items: tuple[str, ...],
    *,
    seed: int | None,
    note: str,
    **options: Any,
) -> ExitCode:
    """Reject takes and make others with fresh seeds in their place. Costs units."""
    from pipeline.cli.redo import redo_command

    return redo_command(manifest, items, RunOptions(**options), seed=seed, note=note)


@cli.command()
@MANIFEST
@click.argument("item", type=Text(), metavar="ITEM")
@click.option(
    "--take",
    type=click.IntRange(min=1),
    required=True,
    metavar="N",
    help="The number of the take to bring back.",
)
@place_options
@STORE
@ALLOW_OUTSIDE
@JSON
@running_options
def restore(manifest: Path, item: str, *, take: int, **options: Any) -> ExitCode:
    """Bring an earlier take back and choose it. Free."""
    from pipeline.cli.redo import restore_command

    return restore_command(manifest, item, RunOptions(**options), take=take)


@cli.command()
@MANIFEST
@ITEMS
@place_options
@STORE
@ALLOW_OUTSIDE
@JSON
def accept(manifest: Path, items: tuple[str, ...], **options: Any) -> ExitCode:
    """Keep the files of items that were edited, as they are. Free."""
    from pipeline.cli.pick import accept_command

    return accept_command(manifest, items, **options)


@cli.command()
@MANIFEST
@click.option(
    "--approved",
    is_flag=True,
    help="Check only whether the chosen take of every item is approved.",
)
@SELECT
@place_options
@STORE
@ALLOW_OUTSIDE
@JSON
def check(manifest: Path, **options: Any) -> ExitCode:
    """Check saved pictures again, or if they are approved. Free."""
    from pipeline.cli.check import check_command

    return check_command(manifest, **options)


@cli.command()
@MANIFEST
@click.argument("item", type=Text(), metavar="ITEM")
@click.option(
    "--adopt",
    type=Text(),
    metavar="JOB",
    help="Take over this job of the service for the item.",
)
@click.option("--resubmit", is_flag=True, help="There is no job: pay for a new one.")
@click.option("--give-up", is_flag=True, help="Record the item as failed for good.")
@click.option(
    "--link",
    type=Text(),
    metavar="JOB",
    help="Print a link to the first picture of a job.",
)
@place_options
@ALLOW_OUTSIDE
def resolve(manifest: Path, item: str, **options: Any) -> ExitCode:
    """Show or decide which job an item of unknown outcome has. Free."""
    from pipeline.cli.resolve import resolve_command

    return resolve_command(manifest, item, **options)


@cli.command()
@click.argument(
    "manifest",
    type=HomePath(dir_okay=False),
    metavar="[MANIFEST]",
    required=False,
)
@place_options
@STORE
@click.option(
    "--contract",
    is_flag=True,
    help="Also ask how the service behaves, and save the answers to a file.",
)
@click.option(
    "--out",
    type=HomePath(dir_okay=False),
    metavar="FILE",
    help="File for these answers.  [default: contract.json beside the manifest]",
)
@click.option(
    "--spend",
    metavar="CU",
    help="Also ask questions that cost units, for at most this many in total.",
)
@click.option("--skip-rate", is_flag=True, help="Do not test the limit on requests.")
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

    if manifest is None and options["store"]:
        raise UsageError(
            "--store needs a manifest, as a store belongs to one",
            hint="pipeline doctor MANIFEST --store URL",
        )
    if not contract and (out or spend or skip_rate or yes):
        raise UsageError("--out, --spend, --skip-rate and --yes belong to --contract")
    if contract and options["emulate"]:
        raise UsageError(
            "--contract needs a running service, and --emulate starts none",
            hint="start pipeline emulator, and export the address that it prints",
        )
    if not contract:
        return doctor_command(manifest, **options)
    from pipeline.cli.contract import check_options, contract_command

    check_options(manifest, out=out, spend=spend, yes=yes)
    code = doctor_command(manifest, **options)
    if code is not ExitCode.OK:
        return code
    return contract_command(
        manifest,
        out=out,
        spend=spend,
        yes=yes,
        asks_rate=not skip_rate,
        profile=options["profile"],
    )


@cli.command()
@MANIFESTS
@place_options
@STORE
@SHARD
@ALLOW_OUTSIDE
@JSON
@CU_PRICE
def status(manifests: tuple[Path, ...], **options: Any) -> ExitCode:
    """Show how the items of a manifest stand, and their cost. Free."""
    from pipeline.cli.status import status_command

    return status_command(manifests, **options)


@cli.command()
@MANIFEST
@click.argument("item", type=Text(), metavar="ITEM")
@place_options
@STORE
@ALLOW_OUTSIDE
@JSON
@CU_PRICE
@PICTURES
def why(manifest: Path, item: str, **options: Any) -> ExitCode:
    """Explain one item: inputs, history, files, and what to do next. Free."""
    from pipeline.cli.why import why_command

    return why_command(manifest, item, **options)


@cli.command()
@MANIFEST
@place_options
@STORE
@ALLOW_OUTSIDE
@JSON
def graph(manifest: Path, **options: Any) -> ExitCode:
    """Show which item needs which, as a Mermaid flowchart. Free."""
    from pipeline.cli.graph import graph_command

    return graph_command(manifest, **options)


@cli.command()
@MANIFEST
@click.option(
    "--out",
    type=HomePath(file_okay=False),
    metavar="DIR",
    help="A new folder, which gets a copy of every file.  [default: gallery in the"
    " output folder]",
)
@click.option("--open", "opens", is_flag=True, help="Open the page in a browser.")
@place_options
@STORE
@ALLOW_OUTSIDE
@CU_PRICE
@JSON
def gallery(manifest: Path, **options: Any) -> ExitCode:
    """Write a page that shows every item, to open from disk. Free."""
    from pipeline.cli.gallery import gallery_command

    return gallery_command(manifest, **options)


@cli.command()
@click.argument(
    "manifests",
    type=HomePath(dir_okay=False),
    metavar="MANIFEST...",
    nargs=-1,
    required=True,
)
@click.option("--edit", is_flag=True, help="Let the pages choose, approve and reject.")
@click.option(
    "--spend",
    metavar="CU",
    help="Let the pages make takes again, for at most this many units in total.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Address to listen on.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8766,
    show_default=True,
    help="Port to listen on; 0 for any free one.",
)
@click.option("--open", "opens", is_flag=True, help="Open the page in a browser.")
@place_options
@STORE
@ALLOW_OUTSIDE
@CU_PRICE
def view(manifests: tuple[Path, ...], **options: Any) -> ExitCode:
    """Serve the gallery in a browser, live, until stopped. Free without --spend."""
    from pipeline.cli.view import ViewOptions, view_command

    return view_command(manifests, ViewOptions(**options))


@cli.command()
@click.argument(
    "places",
    type=HomePath(exists=True),
    metavar="[MANIFEST|OUTPUT]...",
    nargs=-1,
)
@place_options
@ALLOW_OUTSIDE
@CU_PRICE
@JSON
def spend(places: tuple[Path, ...], **options: Any) -> ExitCode:
    """Sum up what was spent, by month, model and manifest. Free."""
    from pipeline.cli.spend import spend_command

    return spend_command(places, **options)


@cli.command()
@click.argument("model", type=Text(), metavar="[MODEL]", required=False)
@click.option(
    "--json-schema",
    "as_json_schema",
    is_flag=True,
    help="Print a JSON Schema of manifests, for editors.",
)
@OFFLINE
@JSON
def schema(model: str | None, **options: Any) -> ExitCode:
    """Show the inputs of a model, or list the known models. Free."""
    from pipeline.cli.schema import schema_command

    return schema_command(model, **options)


@cli.command()
@click.argument("query", type=Text(), metavar="[QUERY]", required=False)
@click.option(
    "--kind",
    type=click.Choice(["image", "video", "audio", "3d", "text", "lora"]),
    help="Only models that make this, or LoRAs.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 500),
    default=20,
    show_default=True,
    metavar="N",
    help="Show at most N models; each takes a request, once a day.",
)
@click.option(
    "--emulate", is_flag=True, help="Show the models of the built-in emulator."
)
@JSON
def models(query: str | None, **options: Any) -> ExitCode:
    """List public models: what they make and take, price and plan. Free."""
    from pipeline.cli.models import models_command

    return models_command(query, **options)


@cli.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8765,
    show_default=True,
    help="Port to listen on; 0 for any free one.",
)
@click.option(
    "--ceiling",
    type=click.IntRange(min=1),
    metavar="N",
    help="The most jobs in flight.  [default: no limit]",
)
@click.option(
    "--rpm",
    type=click.IntRange(min=1),
    metavar="N",
    help="The most requests per minute.  [default: no limit]",
)
@click.option(
    "--cooldown",
    metavar="N/SECONDS",
    help="After N submits, refuse more for SECONDS; for example 10/90.",
)
@click.option(
    "--job-seconds",
    default="1-3",
    show_default=True,
    metavar="LOW-HIGH",
    help="How long a job takes, in seconds.",
)
@click.option(
    "--seed", type=int, metavar="N", help="Seed for ids, durations and faults."
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME=P",
    help="A fault and its probability, such as submit-drop-after=0.1; repeatable.",
)
@click.option(
    "--contract",
    type=HomePath(dir_okay=False),
    metavar="FILE",
    help="Behave like the service in this contract file.",
)
@click.option(
    "--models",
    multiple=True,
    type=HomePath(dir_okay=False),
    metavar="FILE",
    help="Serve the models in this file too; repeatable.",
)
def emulator(**options: Any) -> ExitCode:
    """Run a local stand-in for the service until stopped. Free."""
    from pipeline.cli.emulator import emulator_command

    return emulator_command(**options)


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    For bash: eval "$(pipeline completion bash)" in ~/.bashrc.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None, "the choices are click's own"
    click.echo(kind(cli, {}, "pipeline", "_PIPELINE_COMPLETE").source())
