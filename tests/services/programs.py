"""Programs that stand in for the machine's own: scripts in a folder at the head of PATH."""

import os
from pathlib import Path

import pytest

SYSTEMCTL = r"""
case "$1" in --no-ask-password) shift;; esac
echo "$*" >> "$STATE/calls"
[ -e "$STATE/deaf" ] && { echo "Failed to connect to bus: No such file or directory" >&2; exit 1; }
[ -e "$STATE/denied" ] && [ "$1" != show ] && { echo "Failed to $1: Interactive authentication required." >&2; exit 1; }
case "$1" in
  show)
    for unit in "$@"; do
      case "$unit" in *.service) ;; *) continue;; esac
      name="${unit%.service}"
      if [ -e "$STATE/$name" ]; then
        printf 'Id=%s\nLoadState=loaded\nActiveState=%s\nSubState=%s\n\n' "$unit" $(cat "$STATE/$name")
      else
        printf 'Id=%s\nLoadState=not-found\nActiveState=inactive\nSubState=dead\n\n' "$unit"
      fi
    done;;
  start|restart) while [ -e "$STATE/slow" ]; do sleep 0.02; done
    [ -e "$STATE/breaks" ] && { echo "Job for $3 failed because the control process exited with error code." >&2; exit 1; }
    name="${3%.service}"; echo "active running" > "$STATE/$name";;
  stop) name="${3%.service}"; echo "inactive dead" > "$STATE/$name";;
esac
"""
SUPERVISORCTL = r"""
echo "$*" >> "$STATE/calls"
case "$1" in -c) shift 2;; esac
case "$1 $2" in
  "start klipper") echo "klipper: ERROR (already started)";;
  "start printer:webcam") [ -e "$STATE/breaks" ] && { echo "printer:webcam: ERROR (spawn error)"; exit 7; }
    echo "printer:webcam: started";;
  "stop klipper") echo "klipper: stopped";;
  "stop printer:webcam") echo "printer:webcam: ERROR (not running)";;
esac
case "$1" in
  status) printf 'klipper   RUNNING   pid 12, uptime 0:00:10\nprinter:webcam   STOPPED   Nov 21 03:00 AM\n'; exit 3;;
  restart) case "$2" in klipper|printer:webcam) echo "$2: started";; *) echo "$2: ERROR (no such process)"; exit 1;; esac;;
esac
"""
PKCHECK = r"""
echo "pkcheck $*" >> "$STATE/calls"
[ -e "$STATE/polkit" ]
"""
SUDO = r"""
echo "sudo $*" >> "$STATE/calls"
password=""
while [ $# -gt 0 ]; do case "$1" in
  -n) shift;; -k) shift;; -p) shift 2;; -S) read -r password; shift;; *) break;; esac; done
if [ -e "$STATE/wants" ] && [ "$password" != "$(cat "$STATE/wants")" ]; then
  echo "sudo: a password is required" >&2; exit 1
fi
[ "$1" = -l ] && { [ -e "$STATE/sudoers" ]; exit; }
rm -f "$STATE/denied"; exec "$@"
"""


class Machine:
    """The stand-ins, what they know and what they were asked."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.state, self._programs = folder / "state", folder / "programs"
        self.state.mkdir()
        self._programs.mkdir()
        patch.setenv("PATH", f"{self._programs}:{os.environ['PATH']}")
        patch.setenv("STATE", str(self.state))

    def program(self, name: str, script: str) -> None:
        path = self._programs / name
        path.write_text(f"#!/bin/sh\n{script}")
        path.chmod(0o755)

    def service(self, name: str, state: str = "active running") -> None:
        (self.state / name).write_text(state)

    @property
    def calls(self) -> list[str]:
        """What was asked, the questions for states aside."""
        path = self.state / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if not line.startswith(("show", "status"))]
