"""`etle runs`: list and show runs of `etle reprocess`, and compare them with the cases or with each other."""

import argparse
import getpass
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from etle.errors import ConfigError
from etle_cli.options.storage import add_storage_options, storage_options
from etle_cli.tables.violations import wide_console

if TYPE_CHECKING:
    from etle.runs.compare import ComparedViolation, RunComparison
    from etle.storage.runs import PostgresRuns, StoredRun
    from etle.storage.stores import StorageOptions, StoredCases
    from etle.storage.users import Users
    from etle.types import Digest

_SHOWN = 200


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("runs", help="list, show and compare runs of reprocessing")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listed = actions.add_parser("list", help="show all runs, the latest first")
    listed.add_argument("--json", action="store_true", help="print one JSON object per run")
    listed.set_defaults(run=run_list)
    shown = actions.add_parser("show", help="show what a run processed, how far it is, and what it found")
    shown.add_argument("name", metavar="RUN")
    shown.add_argument("--json", action="store_true", help="print one JSON object, with the violations")
    shown.set_defaults(run=run_show)
    compared = actions.add_parser(
        "compare",
        help="show what two runs found differently",
        description="Compares the range and the cameras that both cover; `live` stands for the cases. Differences are no failure: the exit "
        "code is 0.",
    )
    compared.add_argument("a", metavar="A", help="a run, or `live`")
    compared.add_argument("b", metavar="B", help="a run, or `live`")
    compared.add_argument("--json", action="store_true", help="print the comparison as JSON")
    compared.add_argument("--html", metavar="FILE", type=Path, help="write a page with the pictures side by side")
    compared.add_argument("--lang", choices=("id", "en"), default="id", help="language of the page (default: id)")
    compared.set_defaults(run=run_compare)
    promoted = actions.add_parser(
        "promote",
        help="approve a run; with the approval of a second person its new violations become cases",
        description="Needs two supervisors, one after the other: each gives name and password. With the second approval, violations that "
        "are no cases enter the queue, and what differs from a case is proposed: to the reviewer if it is open, to a supervisor if it is "
        "decided. Decisions are never changed.",
    )
    promoted.add_argument("name", metavar="RUN")
    promoted.add_argument("--as", dest="user", metavar="NAME", required=True, help="account of a supervisor")
    promoted.add_argument(
        "--password-stdin", action="store_true", help="read the password from the first line of standard input instead of asking"
    )
    promoted.set_defaults(run=run_promote)
    for action in (listed, shown, compared, promoted):
        add_storage_options(action)


def run_list(args: argparse.Namespace) -> int:
    from rich.table import Table

    from etle.storage.runs import PostgresRuns
    from etle.storage.stores import open_existing_stores

    with open_existing_stores(storage_options(args)) as stores:
        runs = PostgresRuns(stores.database).runs()
    if args.json:
        for run in runs:
            sys.stdout.write(json.dumps(_run_json(run)) + "\n")
        return 0
    table = Table("run", "site", "range (UTC)", "cameras", "frames", "frames/s", "violations", "state", "started by")
    for run in runs:
        frames, busy_s = _frames(run)
        rate = f"{frames / busy_s:.1f}" if busy_s > 0 else ""
        state = "finished" if run.finished_at else "not finished"
        cells = (
            run.name,
            run.site,
            _range(run),
            str(len(run.plan["cameras"])),
            str(frames),
            rate,
            str(run.violations),
            state,
            run.started_by,
        )
        table.add_row(*cells)
    wide_console().print(table if runs else "No runs yet. Make one:  etle reprocess SITE.yaml --run NAME")
    return 0


def run_show(args: argparse.Namespace) -> int:
    from etle.runs.compare import compared, violation_json
    from etle.storage.runs import PostgresRuns
    from etle.storage.stores import open_existing_stores

    with open_existing_stores(storage_options(args)) as stores:
        runs = PostgresRuns(stores.database)
        run = _known(runs, args.name)
        violations = [compared(violation) for violation in runs.violations(run.name)]
        promotion = runs.promotion(run.name)
    document = _run_json(run)
    if args.json:
        found = [violation_json(each) for each in violations]
        sys.stdout.write(json.dumps({**document, "promoted": promotion is not None, "found": found}, ensure_ascii=False) + "\n")
        return 0
    for key, value in document.items():
        if key != "cameras" and value is not None:
            sys.stdout.write(f"{key.replace('_', ' '):15} {value}\n")
    for camera in run.cameras:
        state = "finished" if camera.finished_at else "not finished"
        sys.stdout.write(f"{camera.camera:15} {camera.frames} frames, {camera.rejected} not usable, {state}\n")
    if promotion:
        sys.stdout.write(f"{'promoted by':15} {promotion.requested_by} and {promotion.approved_by}\n")
    for each in violations:
        sys.stdout.write(f"{each.occurred_at:%Y-%m-%d %H:%M:%S}  {each.camera}  {each.rule}  {each.plate or '-'}  {each.id}\n")
    return 0


def run_compare(args: argparse.Namespace) -> int:
    from etle.runs.compare import as_json, compare_runs
    from etle.storage.runs import LIVE, PostgresRuns
    from etle.storage.stores import open_existing_stores

    storage = storage_options(args)
    with open_existing_stores(storage) as stores:
        runs = PostgresRuns(stores.database)
        for name in (args.a, args.b):
            if name != LIVE:
                _known(runs, name)
        comparison = compare_runs(runs, stores.cases, args.a, args.b)
        if args.html:
            _write_page(args.html, comparison, storage, stores, args.lang)
    if args.json:
        sys.stdout.write(json.dumps(as_json(comparison), ensure_ascii=False) + "\n")
    else:
        _show(comparison)
    return 0


def run_promote(args: argparse.Namespace) -> int:
    from etle.storage.evidence.backend import open_evidence
    from etle.storage.runs import PostgresRuns
    from etle.storage.stores import open_stores, require_stores
    from etle.storage.users import Users
    from pipeline.evidence.writer import Writer
    from pipeline.reprocess.promote import RunPromotion

    storage = storage_options(args)
    require_stores(storage)
    with open_stores(storage) as stores:
        signer = stores.signer
        users, runs = Users(stores.database, stores.row_signer), PostgresRuns(stores.database, stores.row_signer)
        _known(runs, args.name)
        with stores.exporting_heads(signer):
            _authenticate(users, args)
            sink = Writer.with_signer(stores.cases, stores.evidence, signer)
            files = open_evidence(storage.results_address(args.name))
            promotion = RunPromotion(args.name, runs, stores.cases, sink, files, partial(_record, users))
            state = promotion.approve(args.user)
    if state.promoted:
        people = " and ".join(state.approvals)
        sys.stdout.write(f"{args.name} is promoted by {people}: {state.cases_added} new cases, {state.proposed} proposals.\n")
    else:
        sys.stdout.write(f"{args.user} approved {args.name}. A second supervisor has to run the same command.\n")
    return 0


def _authenticate(users: "Users", args: argparse.Namespace) -> None:
    """Raises ConfigError unless the name and the password are those of a supervisor."""
    from etle.storage.users import UserRole
    from review.passwords import Passwords

    password = sys.stdin.readline().rstrip("\r\n") if args.password_stdin else getpass.getpass(f"Password of {args.user}: ")
    role = next((user.role for user in users.users() if user.name == args.user), None)
    if not Passwords().verify(password, users.password_hash(args.user)) or role is not UserRole.SUPERVISOR:
        _record(users, args.user, "sign_in_failed", f"promote {args.name}")
        raise ConfigError(f"{args.user!r} is not a supervisor with this password")


def _record(users: "Users", who: str, action: str, detail: str) -> None:
    from etle.clock import SystemClock
    from etle.storage.users import COMMAND_LINE, AccessEntry

    users.record(AccessEntry(at=SystemClock().now(), who=who, address=COMMAND_LINE, action=action, detail=detail))


def _known(runs: "PostgresRuns", name: str) -> "StoredRun":
    run = runs.run(name)
    if run is None:
        raise ConfigError(f"there is no run {name!r}; `etle runs list` shows them")
    return run


def _show(comparison: "RunComparison") -> None:
    from rich.table import Table

    console = wide_console()
    table = Table("", "camera", "rule", "occurred at (UTC)", comparison.a, comparison.b, "verdict")
    rows = [
        *((", ".join(pair.differences), pair.a, _facts(pair.a), _facts(pair.b)) for pair in comparison.changed),
        *((f"only in {comparison.a}", each, _facts(each), "") for each in comparison.only_a),
        *((f"only in {comparison.b}", each, "", _facts(each)) for each in comparison.only_b),
    ]
    for what, each, a, b in rows[:_SHOWN]:
        at = f"{each.occurred_at:%Y-%m-%d %H:%M:%S}"
        table.add_row(what, each.camera, each.rule, at, a, b, each.verdict.value if each.verdict else "")
    if rows:
        console.print(table)
    same = len(comparison.both) - len(comparison.changed)
    more = f" The first {_SHOWN} are shown; --json has all." if len(rows) > _SHOWN else ""
    console.print(
        f"{same} the same, {len(comparison.changed)} different, {len(comparison.only_a)} only in {comparison.a},"
        f" {len(comparison.only_b)} only in {comparison.b}.{more}", highlight=False, soft_wrap=True,
    )  # fmt: skip
    for name, score in comparison.scores:
        precision, recall = ("-" if share is None else f"{share:.1%}" for share in (score.precision, score.recall))
        plates = f"{score.plates_right} of {score.plates} plates right"
        console.print(f"{name} against verdicts: precision {precision}, recall {recall}, {plates}.", highlight=False, soft_wrap=True)


def _facts(each: "ComparedViolation") -> str:
    measured = ", ".join(f"{one.value:.2f} {one.unit}" for one in each.measured)
    return f"{each.plate or '-'} {each.probability:.0%}  {measured}"


def _write_page(file: Path, comparison: "RunComparison", storage: "StorageOptions", stores: "StoredCases", language: str) -> None:
    from pipeline.explain.sentences import TextLanguage
    from pipeline.reprocess.compare_page import comparison_page

    zone = ZoneInfo(_timezone(comparison, stores))
    file.write_text(comparison_page(comparison, _picture_reader(storage, stores), TextLanguage(language), zone), encoding="utf-8")


def _timezone(comparison: "RunComparison", stores: "StoredCases") -> str:
    """Of the site, as in the documents of the violations."""
    from etle.storage.runs import LIVE, PostgresRuns

    name = next((each for each in (comparison.a, comparison.b) if each != LIVE), LIVE)
    first = next(PostgresRuns(stores.database).violations(name), None)
    return first.timezone if first else "Asia/Jakarta"


def _picture_reader(storage: "StorageOptions", stores: "StoredCases") -> "Callable[[str, Digest], bytes]":
    from etle.storage.evidence.backend import open_evidence
    from etle.storage.runs import LIVE

    opened = {LIVE: stores.evidence}

    def read(run: str, digest: "Digest") -> bytes:
        if run not in opened:
            opened[run] = open_evidence(storage.results_address(run))
        return opened[run].get(digest)

    return read


def _run_json(run: "StoredRun") -> dict[str, object]:
    frames, busy_s = _frames(run)
    return {
        "run": run.name,
        "site": run.site,
        "source": run.plan["source"],
        "part": run.plan["part"],
        "from": run.plan["since"],
        "to": run.plan["until"],
        "cameras": [
            {"camera": camera.camera, "frames": camera.frames, "rejected": camera.rejected, "finished": camera.finished_at is not None}
            for camera in run.cameras
        ],
        "frames": frames,
        "frames_per_s": frames / busy_s if busy_s > 0 else None,
        "violations": run.violations,
        "started_by": run.started_by,
        "started_at": run.started_at.isoformat(),
        "finished_at": run.finished_at.isoformat() if run.finished_at else None,
    }


def _frames(run: "StoredRun") -> tuple[int, float]:
    """Frames, and the seconds that workers spent on them."""
    return sum(camera.frames for camera in run.cameras), sum(camera.busy_s for camera in run.cameras)


def _range(run: "StoredRun") -> str:
    since, until = (str(run.plan[key] or "")[:16].replace("T", " ") for key in ("since", "until"))
    return f"{since or 'first'} - {until or 'last'}"
