"""Run commands in Linux namespaces: in another root file system, without a network, or read-only.

What is mounted for a command is not visible outside and disappears with it. Needs root.
"""

from pathlib import Path
from shlex import quote

from client import ROOT

ROOTS = ROOT / ".roots"  # made by `install`, with python3 and nothing else for us
ROOTS_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# The root itself stays as it is: what a command writes goes to memory. /mnt is on every system, and empty.
LAYER = """
PATH={path}
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/changes /mnt/work /mnt/root
mount -t overlay -o lowerdir={root},upperdir=/mnt/changes,workdir=/mnt/work overlay /mnt/root
mount --rbind /proc /mnt/root/proc
mount --rbind /dev /mnt/root/dev
"""


def isolated(
    *command: str,
    root: "str | None" = None,
    shared: "dict[Path, str] | None" = None,
    prepare: str = "true",
    network: str = "shared",
    read_only: bool = False,
    user: int = 0,
) -> list[str]:
    """Return the command that runs another one in namespaces of its own.

    `root` names a root file system of ROOTS, and `prepare` is a script to run in it first, as root.
    `shared` says which folders are to be seen there, and where. `network` is shared, loopback or none.
    """
    base = "/mnt/root" if root else ""
    script = [LAYER.format(path=ROOTS_PATH, root=quote(str(ROOTS / root)))] if root else []
    if network == "loopback":
        script.append(f"PATH={ROOTS_PATH} ip link set lo up")
    for source, target in (shared or {}).items():
        place = quote(base + target)
        script += [f"mkdir -p {place}", f"mount --bind {quote(str(source))} {place}"]
        script += [f"mount -o remount,ro,bind {place}"] if read_only else []
    if root:
        script.append(
            f"said=$(DEBIAN_FRONTEND=noninteractive chroot {base} sh -euc {quote(prepare)} 2>&1 </dev/null) ||"
        )
        script.append('{ echo "$said" >&2; exit 125; }')
        script += [f"mount -o remount,ro {base}"] if read_only else []
        script.append(f'exec chroot --userspec={user}:{user} --groups= {base} "$@"')
    else:
        script.append('exec "$@"')
    apart = ["unshare", "--mount", *([] if network == "shared" else ["--net"])]
    return [*apart, "sh", "-euc", "\n".join(script), "sh", *command]
