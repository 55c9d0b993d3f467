"""The command line of `e2e/cluster`."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from e2e.testcluster import binaries, cluster, existing, operatorimage, report
from e2e.testcluster.components import Options
from e2e.testcluster.errors import ClusterError
from e2e.testcluster.images import store
from e2e.testcluster.images.recipes import IMAGES
from e2e.testcluster.settings import Settings
from e2e.testcluster.terminal import say, step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DESCRIPTION = """\
A real Kubernetes cluster on this machine, for Fairlead's tests: no Docker and no registry needed.

environment:
  FAIRLEAD_E2E_CLUSTER=existing  use the cluster of $KUBECONFIG and start nothing
  FAIRLEAD_E2E_STATE             the running cluster (default /var/lib/fairlead-e2e)
  FAIRLEAD_CACHE                 binaries and images (default ~/.cache/fairlead)

docs/cluster.md tells the rest.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parsed = _parser().parse_args(arguments)
    settings = Settings.from_environment(os.environ)
    command: Callable[[Settings, argparse.Namespace], int] = parsed.command
    try:
        code = command(settings, parsed)
        sys.stdout.flush()
    except ClusterError as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; `e2e/cluster down` removes what was started so far")
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python would complain again when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="e2e/cluster",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, run: Callable[[Settings, argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        command.set_defaults(command=run)
        return command

    up = add("up", _up, "bring the cluster up; at once when it is up and healthy already")
    up.add_argument("--kwok-nodes", type=int, default=0, metavar="N",
                    help="also N fake nodes, tainted kwok.x-k8s.io/node=fake:NoSchedule")  # fmt: skip
    up.add_argument("--fast-controllers", action="store_true",
                    help="raise kube-controller-manager's limits, which bound Jobs/s")  # fmt: skip
    up.add_argument("--allow-pulls", action="store_true",
                    help="let Pods pull images; otherwise only imported ones are there")  # fmt: skip
    add("down", _down, "end the cluster and remove all of it but its logs")
    restart = add("restart", _restart, "kill one component as a crash would, and start it again")
    restart.add_argument("component", metavar="COMPONENT", help="one of those that `status` lists, as kube-apiserver")
    restart.add_argument("--pause", type=float, default=0, metavar="SECONDS", help="how long it stays dead")
    add("status", _status, "print how each component is; exit code 0 if up and healthy")
    add("kubeconfig", _kubeconfig, "print the path of the admin's kubeconfig")
    add("env", _env, 'print shell exports: eval "$(e2e/cluster env)" finds kubectl and helm')
    load = add("load-image", _load_image, "import docker-archive tars into the cluster")
    load.add_argument("tars", type=Path, nargs="+", metavar="TAR")
    images = add("images", _images, "build the test images, import them, and print where they are")
    images.add_argument("--all", action="store_true", help="also postgres:15 and redis:7")
    build = add("build", _build, "build the cluster's programs into the cache")
    build.add_argument("--all", action="store_true", help="also kwok")
    add("operator-image", _operator_image, "build fairlead/fairlead:dev and import it")
    return parser


def _up(settings: Settings, parsed: argparse.Namespace) -> int:
    if settings.existing:
        existing.up(settings)
        return 0
    options = Options(
        fast_controllers=parsed.fast_controllers,
        allow_pulls=parsed.allow_pulls,
        kwok_nodes=parsed.kwok_nodes,
    )
    cluster.up(settings, options)
    return 0


def _down(settings: Settings, _: argparse.Namespace) -> int:
    if settings.existing:
        say("FAIRLEAD_E2E_CLUSTER=existing: not ours to end; nothing done.")
    else:
        cluster.down(settings)
    return 0


def _restart(settings: Settings, parsed: argparse.Namespace) -> int:
    if settings.existing:
        say("FAIRLEAD_E2E_CLUSTER=existing: not ours to break; nothing done.")
        return 1
    cluster.restart(settings, parsed.component, pause=parsed.pause)
    return 0


def _status(settings: Settings, _: argparse.Namespace) -> int:
    if settings.existing:
        existing.describe(settings)
        return 0
    return 0 if report.status(settings) else 1


def _kubeconfig(settings: Settings, _: argparse.Namespace) -> int:
    path = existing.kubeconfig(settings) if settings.existing else settings.kubeconfig
    print(path)
    if not path.exists():
        say(f"{path} is not there: is the cluster up?")
        return 1
    return 0


def _env(settings: Settings, _: argparse.Namespace) -> int:
    path = existing.kubeconfig(settings) if settings.existing else settings.kubeconfig
    folders = [
        str(group.folder(settings)) for group in (binaries.KUBERNETES, binaries.HELM) if binaries.built(group, settings)
    ]
    print(f"export KUBECONFIG={shlex.quote(str(path))}")
    print(f'export PATH={shlex.quote(os.pathsep.join(folders))}{os.pathsep if folders else ""}"$PATH"')
    return 0


def _load_image(settings: Settings, parsed: argparse.Namespace) -> int:
    if settings.existing:
        existing.load_images(parsed.tars)
        return 0
    for tar in parsed.tars:
        with step(f"imported {tar}"):
            store.import_tar(tar, settings)
    return 0


def _images(settings: Settings, parsed: argparse.Namespace) -> int:
    chosen = [image for image in IMAGES if image.always or parsed.all]
    store.ensure_built(chosen, settings)
    if settings.existing:
        existing.load_images([image.tar(settings) for image in chosen])
    elif cluster.is_healthy(settings):
        store.import_missing(chosen, settings)
    for image in chosen:
        tar = image.tar(settings)
        print(f"{image.reference:<20} {tar.stat().st_size / 1e6:7.1f} MB  {tar}")
    return 0


def _build(settings: Settings, parsed: argparse.Namespace) -> int:
    for group in binaries.EVERYTHING if parsed.all else binaries.ALWAYS:
        binaries.ensure(group, settings)
        print(f"{group.name:<12} {group.version:<10} {group.folder(settings)}")
    return 0


def _operator_image(settings: Settings, _: argparse.Namespace) -> int:
    tar = operatorimage.build(settings)
    if settings.existing:
        existing.load_images([tar])
    elif not cluster.is_healthy(settings):
        say("The cluster is not up: the image was built, but not imported.")
    else:
        store.import_unless_there(operatorimage.REFERENCE, tar, settings)
    print(f"{operatorimage.REFERENCE} {tar}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
