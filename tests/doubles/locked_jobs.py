"""Jobs as a lock file has them, and its text."""

import hashlib
from decimal import Decimal

import pytest

from pipeline.errors import LockError
from pipeline.job import Asset, Job, JobStatus
from pipeline.lockfile import LockHeader, read_lock, render_lock, write_lock

SERVICE = "https://api.example/v1"
HEADER = LockHeader(service=SERVICE, project="proj_1")
SHOWN = """\
# Made by pipeline: what is paid for. Commit it together with the manifest.
lock: 1
service: "https://api.example/v1"
project: proj_1
items:

- id: oak
  model: model_x
  job_key: koak
  request_key: roak
  derived_seed: 7
  cost: "3"
  job: job_oak
  assets:
  - id: asset_oak_1
    media_type: image/png
    width_px: 512
    height_px: 256
    sha256: 419f22cb13331067c27594b3b9dc9191e36fa99415f43af11bb81789b17730cd
    size_bytes: 1000
    path: oak-1.png

- id: "on"
  model: model_x
  job_key: kon
  request_key: ron
  job: job_on

...
"""


def make_asset(item_id="oak", index=1, **named):
    fields = {
        "asset_id": f"asset_{item_id}_{index}",
        "output_index": index,
        "path": f"{item_id}-{index}.png",
        "sha256": hashlib.sha256(f"{item_id}{index}".encode()).hexdigest(),
        "size_bytes": 1000,
        "media_type": "image/png",
        "width_px": 512,
        "height_px": 256,
    }
    return Asset(**fields | named)


def make_job(item_id="oak", assets=1, **named):
    """As the reader gives it: in a lock, all of an item is the lock's own."""
    files = named.pop("files", None)
    if files is None:
        files = tuple(make_asset(item_id, number + 1) for number in range(assets))
    remote_assets = named.pop("remote_assets", tuple(asset.asset_id for asset in files))
    fields = {
        "item_id": item_id,
        "attempt": 1,
        "job_key": f"k{item_id}",
        "request_key": f"r{item_id}",
        "model_id": "model_x",
        "status": JobStatus.SUCCEEDED if remote_assets else JobStatus.SUBMITTED,
        "request": {},
        "seed": 7 if item_id == "oak" else sum(item_id.encode()),
        "derived_seed": True,
        "remote_id": f"job_{item_id}".replace("/", "."),
        "base_url": SERVICE,
        "project_id": "proj_1",
        "charged": Decimal(3),
        "remote_assets": remote_assets,
        "assets": files,
    }
    return Job(**fields | named)


def render(jobs, service=SERVICE, project="proj_1"):
    return "".join(render_lock(jobs, base_url=service, project_id=project))


def write(path, jobs):
    return write_lock(path, jobs, base_url=SERVICE, project_id="proj_1")


def read(path, content=None):
    if content is not None:
        data = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(data)
    header, jobs = read_lock(path)
    return header, list(jobs)


def fault_of(path, content):
    with pytest.raises(LockError) as raised:
        read(path, content)
    return raised.value
