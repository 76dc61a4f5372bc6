"""The lock file of a workshop, as a run leaves it and as a fresh checkout finds it."""

import shutil

from doubles.workshop import BASE_URL
from pipeline.lockfile import read_lock
from pipeline.lockfile.reconcile import write_lock_file
from pipeline.manifest import load_manifest
from pipeline.output.folder import holding_output, open_for_reading
from pipeline.planning import Selection, make_plan
from pipeline.settings import Service
from pipeline.storage.folder import Folder

SERVICE = Service(base_url=BASE_URL, project_id="")
OTHER = Service(base_url="https://other.example/v1", project_id="")


def write(workshop, lock_file, *, orphans=(), service=SERVICE):
    """As at the end of a run."""
    with holding_output(workshop.output, service) as (ledger, _):
        write_lock_file(lock_file, ledger, service, orphans=orphans)


def learn(workshop, lock_file, service=SERVICE):
    """As at the beginning of a run."""
    with holding_output(workshop.output, service, lock_file):
        pass


def check_out(workshop):
    """A fresh checkout: neither ledger nor files."""
    shutil.rmtree(workshop.output)
    workshop.output.mkdir()


def planned(workshop, lock_file, service=SERVICE):
    """What a plan says: item id to action."""
    actions = {}
    with open_for_reading(workshop.output, lock_file, service=service) as ledger:
        make_plan(
            load_manifest(workshop.folder / "icons.yaml", models=workshop.models),
            Folder(workshop.output),
            ledger=ledger,
            selection=Selection(),
            on_item=lambda one: actions.update({one.item.item_id: str(one.action)}),
        )
    return actions


def items_in(lock_file):
    return [job.item_id for job in read_lock(lock_file)[1]]
