"""`aiotasks emulate PLATFORM`: a server that pretends to be the platform, until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiotasks.emulators.server import Emulator

__all__ = ["add_parser", "run"]

_EPILOG: Final = """\
When it is ready, one line of JSON on stdout says where it is and what a client needs to log in:

  {"platform": "labelbox", "url": "http://127.0.0.1:40123/graphql", "api_key": "key-..."}
  {"platform": "supervisely", "url": "http://127.0.0.1:40123", "token": "token-...", "workspace_id": 6,
   "agent_id": 4, "module_id": 5}
  {"platform": "isahitlab", "url": "http://127.0.0.1:40124/", "access_id": "id-...", "secret_key": "key-...",
   "projects": {"iat-rectangle": "c...", "iat-polygon": "c...", "iat-segmentation": "c...", "form": "c..."}}

A fault strikes requests, a switch changes how the server behaves. Both are JSON, here and for
POST http://127.0.0.1:PORT/__emulator__/faults:

  --fault '{"status": 502, "times": 3}'              three requests fail with 502
  --fault '{"status": 429, "retry_after": 5}'        all fail, until DELETE /__emulator__/faults
  --fault '{"slow": 0.5, "on": "status"}'            each answer about statuses takes half a second
  --fault '{"reset": true, "on": "upsertDataRows", "processed": true, "times": 1}'
                                                     one job is created, and its client never hears of it
  --fault '{"id_in": false, "complexity_limit": 20}' tasks are asked for one by one, 20 in a document

A fault has: status body html retry_after reset slow cut processed on after every times.
Switches of labelbox: id_in complexity_limit max_first hidden poisoned failing failing_code file_ttl
file_bytes gzip streamable.
Switches of supervisely: in_filter filters max_ids max_per_page list_status missing_status hidden
unlisted poisoned gzip.
Switches of deepint: page_size listed_status ranges hidden poisoned.
Switches of isahitlab: expires_in line_limit page_limit hidden poisoned gzip any_batch. Its requests, for "on": login
tasks projects configuration batch duplicates upload grant import create properties redo review.
GET /__emulator__/audit tells what was asked and how often, GET /__emulator__/tasks when each job starts and
ends; POST there creates jobs, PATCH moves them.
"""


def _labelbox(**options: Any) -> Emulator:
    from aiotasks.emulators.labelbox import LabelboxEmulator

    return LabelboxEmulator(**options)


def _supervisely(*, api_key: str | None, **options: Any) -> Emulator:
    from aiotasks.emulators.supervisely import SuperviselyEmulator

    return SuperviselyEmulator(token=api_key, **options)


def _deepint(*, api_key: str | None, **options: Any) -> Emulator:
    from aiotasks.emulators.deepint import DeepintEmulator

    return DeepintEmulator(token=api_key, **options)


def _isahitlab(**options: Any) -> Emulator:
    from aiotasks.emulators.isahitlab import IsahitLabEmulator

    return IsahitLabEmulator(**options)


#: Imported when they are chosen: an emulator needs packages that the library does without.
_PLATFORMS: Final[dict[str, Callable[..., Emulator]]] = {
    "deepint": _deepint,
    "isahitlab": _isahitlab,
    "labelbox": _labelbox,
    "supervisely": _supervisely,
}


def _span(text: str) -> tuple[float, float]:
    """`5:15` or `5`."""
    low, _, high = text.partition(":")
    try:
        span = float(low), float(high or low)
    except ValueError:
        span = -1.0, -1.0
    if not 0 <= span[0] <= span[1] < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a span of seconds FROM:TO, such as 5:15")
    return span


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share from 0 to 1")
    return share


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def _switches(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a JSON object: {error}") from None


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Adds the command to the command line."""
    parser = subparsers.add_parser(
        "emulate",
        help="serve a pretended platform on 127.0.0.1",
        description="Serves a pretended platform on 127.0.0.1 until SIGINT or SIGTERM.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("platform", choices=sorted(_PLATFORMS), help="which platform: %(choices)s")
    parser.add_argument("--port", type=_port, default=0, help="port; 0, the default, takes a free one")
    parser.add_argument(
        "--api-key", metavar="KEY", help="the one key or token that is taken (default: one made from the seed)"
    )
    parser.add_argument(
        "--tls-dir",
        type=Path,
        metavar="DIR",
        help="deepint alone: serve https as localhost, and write the certificate to trust to DIR/certificate.pem",
    )
    life = parser.add_argument_group("life of the jobs")
    life.add_argument(
        "--seed", type=int, default=0, metavar="N", help="makes ids, durations and failures (default: 0)"
    )
    life.add_argument("--frozen", action="store_true", help="jobs do not move unless /__emulator__/tasks moves them")
    life.add_argument(
        "--duration",
        type=_span,
        default=(5.0, 15.0),
        metavar="FROM:TO",
        help="seconds a job runs (default: 5:15)",
    )
    life.add_argument(
        "--failures",
        type=_share,
        default=0.0,
        metavar="SHARE",
        help="share of the jobs that fail, 0 to 1 (default: 0)",
    )
    parser.add_argument(
        "--fault",
        type=_switches,
        action="append",
        default=[],
        metavar="JSON",
        help="a fault or a switch; may be repeated",
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Serves until SIGINT or SIGTERM."""
    special = {} if args.tls_dir is None else {"tls_dir": args.tls_dir}
    if special and args.platform != "deepint":
        return _refused("emulate: --tls-dir is for deepint alone")
    try:
        emulator = _PLATFORMS[args.platform](
            seed=args.seed,
            frozen=args.frozen,
            duration=args.duration,
            failures=args.failures,
            api_key=args.api_key,
            faults=args.fault,
            **special,
        )
    except ModuleNotFoundError as error:
        return _refused(f"emulate needs the package {error.name!r}: pip install 'aiotasks[demo]'")
    except ValueError as error:
        return _refused(f"emulate: {error}")
    except OSError as error:
        return _refused(f"emulate: cannot write to {args.tls_dir}: {error.strerror}")
    from aiotasks.emulators import server

    try:
        asyncio.run(server.run(emulator, args.port))
    except OSError as error:
        return _refused(f"emulate: cannot serve on 127.0.0.1:{args.port}: {error.strerror}")
    return 0


def _refused(message: str) -> int:
    print(f"aiotasks: {message}", file=sys.stderr)
    return 2
