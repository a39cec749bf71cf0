"""What updates are made of: git repositories, a host of releases, Python environments, programs on PATH."""

import asyncio
import hashlib
import io
import json
import os
import shutil
import subprocess
import time
import venv
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.conftest import Running
from tests.power.calls import call
from tests.stand_ins import serving

PLAIN = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
}


def git(folder: Path, *words: str, typed: str | None = None) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *words],
        env={**os.environ, **PLAIN},
        input=typed,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


class Upstream:
    """A repository that others push to, and a clone of it that is kept up to date."""

    def __init__(self, folder: Path, name: str = "klipper", files: dict[str, str] | None = None) -> None:
        self.path, self.clone = folder / f"{name}.git", folder / name
        self.path.mkdir()
        git(self.path, "init", "--quiet", "--initial-branch=master", "--template=")
        (self.path / ".git/info").mkdir()
        (self.path / ".git/hooks").mkdir()
        self.commit("first", {"main.py": "print(1)\n", **(files or {})})
        self.tag("v0.1.0")
        self._clone()

    def _clone(self) -> None:
        """As `git clone` does it, without its six processes."""
        shutil.copytree(self.path, self.clone)
        with (self.clone / ".git/config").open("a") as file:
            file.write(
                f'[remote "origin"]\n\turl = {self.path}\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n'
            )
            file.write('[branch "master"]\n\tremote = origin\n\tmerge = refs/heads/master\n')
        remote = self.clone / ".git/refs/remotes/origin"
        remote.mkdir(parents=True)
        (remote / "HEAD").write_text("ref: refs/remotes/origin/master\n")
        shutil.copy(self.clone / ".git/refs/heads/master", remote / "master")

    def many(self, count: int, tagged: dict[int, str]) -> None:
        """A long history at once; each commit changes one file."""
        lines = []
        for number in range(count):
            start = "from refs/heads/master^0\n" if number == 0 else ""
            lines.append(
                f"commit refs/heads/master\ncommitter Ada <ada@example.org> {1_700_000_000 + number} +0000\n"
                f"data <<END\nnumber {number}\nEND\n{start}M 644 inline count\ndata <<END\n{number}\nEND\n"
            )
            if number in tagged:
                lines.append(f"reset refs/tags/{tagged[number]}\nfrom refs/heads/master\n\n")
        stream = "".join(lines)
        subprocess.run(
            ["git", "-C", str(self.path), "fast-import", "--quiet"], input=stream, text=True, check=True
        )

    def commit(self, subject: str, files: dict[str, str] | None = None) -> str:
        for name, content in (files or {"main.py": f"print({time.time_ns()})\n"}).items():
            target = self.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content)
        if files is not None:
            git(self.path, "add", "--all")
        git(self.path, "commit", "--quiet", "--all", "--message", subject)
        return self.head

    def remove(self, name: str) -> None:
        git(self.path, "rm", "--quiet", name)
        git(self.path, "commit", "--quiet", "--message", f"without {name}")

    def tag(self, name: str) -> None:
        git(self.path, "tag", "--annotate", "--message", name, name)

    @property
    def head(self) -> str:
        return (self.path / ".git/refs/heads/master").read_text().strip()

    @property
    def here(self) -> str:
        return git(self.clone, "rev-parse", "HEAD")

    @property
    def clean(self) -> bool:
        return git(self.clone, "status", "--porcelain") == ""


def zipped(files: dict[str, str | bytes], *, links: dict[str, str] | None = None) -> bytes:
    """A zip file; `links` are symbolic ones."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        for name, content in (links or {}).items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o120777 << 16
            archive.writestr(entry, content)
    return target.getvalue()


class ReleaseHost:
    """GitHub's releases and files, or whatever a test wants them to be."""

    def __init__(self) -> None:
        self.url = ""
        self.releases: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.asked: list[web.Request] = []
        self.remaining, self.status, self.body = 60, 200, b""
        self.headers: dict[str, str] = {}
        self.serve: Callable[[web.Request, bytes], Any] | None = None  # in place of a whole answer
        self.talks = asyncio.Event()  # else questions wait
        self.talks.set()

    def release(self, tag: str, content: bytes, *, asset: str = "ui.zip", **more: Any) -> dict[str, Any]:
        """Publish one; the newest comes first."""
        self.files[f"{tag}/{asset}"] = content
        assets = [
            {
                "name": asset,
                "browser_download_url": f"{self.url}/files/{tag}/{asset}",
                "size": len(content),
                "digest": f"sha256:{hashlib.sha256(content).hexdigest()}",
            }
        ]
        made = {
            "tag_name": tag,
            "draft": False,
            "prerelease": False,
            "html_url": f"https://releases.example/{tag}",
            "assets": assets,
            **more,
        }
        self.releases.insert(0, made)
        return made

    @property
    def questions(self) -> int:
        return sum(request.path.startswith("/repos/") for request in self.asked)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        if request.path.startswith("/files/"):
            content = self.files.get(request.match_info["path"].removeprefix("files/"))
            if content is None:
                return web.Response(status=404)
            return await self.serve(request, content) if self.serve else web.Response(body=content)
        await self.talks.wait()
        return self._described(request)

    def _described(self, request: web.Request) -> web.Response:
        self.remaining -= 1
        limits = {
            "X-RateLimit-Limit": "60",
            "X-RateLimit-Remaining": str(max(0, self.remaining)),
            "X-RateLimit-Reset": str(int(time.time()) + 600),
            **self.headers,
        }
        found: Any = self.releases
        if request.path.endswith("/latest"):
            found = next((one for one in self.releases if not one["prerelease"] and not one["draft"]), None)
        body = self.body or json.dumps(found).encode()
        mark = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        status = 404 if found is None and not self.body and self.status == 200 else self.status
        if status == 200 and request.headers.get("If-None-Match") == mark:
            status, body = 304, b""
        return web.Response(status=status, body=body, headers={**limits, "ETag": mark})


@asynccontextmanager
async def release_host() -> AsyncIterator[ReleaseHost]:
    one = ReleaseHost()
    async with serving(one.answer) as address:
        one.url = f"http://{address}"
        yield one


PIP = """
import json, os, pathlib, shutil, sys, time
index = pathlib.Path(os.environ["TOY_INDEX"])
words = sys.argv[1:]
with (index / "calls").open("a") as file:
    file.write(" ".join(words) + "\\n")
site = pathlib.Path(__file__).parents[1]
def version(text):
    return [int(part) if part.isdigit() else -1 for part in text.replace("rc", ".rc.").split(".")]
def installed():
    return next((p.name.split("-")[1][:-10] for p in site.glob("toy-*.dist-info")), None)
names = (index / "versions").read_text().split()
if "--pre" not in words:
    names = [one for one in names if "rc" not in one]
newest = max(names, key=version)
if "--dry-run" in words:
    new = [] if newest == installed() else [{"metadata": {"name": "toy", "version": newest}}]
    print(json.dumps({"version": "1", "install": new}))
    sys.exit()
file = words[words.index("--requirement") + 1] if "--requirement" in words else None
wanted = pathlib.Path(file).read_text().split() if file else [w for w in words if w.startswith("toy")]
aim = wanted[0].partition("==")[2] or newest
print("Collecting toy", flush=True)
for old in site.glob("toy*"):
    shutil.rmtree(old)
if (index / "stall").exists():
    (index / "stalled").touch()
    time.sleep(600)
if aim not in (index / "versions").read_text().split() or (index / "broken").exists():
    print("ERROR: No matching distribution found for toy==" + aim + " at https://me:s3cret-login@index.example/x", file=sys.stderr)
    sys.exit(1)
info = site / f"toy-{aim}.dist-info"
info.mkdir()
(info / "METADATA").write_text(f"Metadata-Version: 2.1\\nName: toy\\nVersion: {aim}\\n")
(site / "toy").mkdir()
(site / "toy" / "__init__.py").write_text(f"version = {aim!r}\\n")
script = site.parents[2] / "bin" / "toy"
script.write_text(f"#!{sys.executable}\\nimport toy; print(toy.version)\\n")
script.chmod(0o755)
print(f"Successfully installed toy-{aim}")
"""


class Toy:
    """A Python package `toy` in an environment of its own; its pip knows nothing but toys."""

    def __init__(self, folder: Path, installed: str = "1.0") -> None:
        self.index, self.path = folder / "index", folder / "toy-env"
        self.index.mkdir()
        venv.create(self.path, with_pip=False, symlinks=True)
        self.site = next(self.path.glob("lib/python3*/site-packages"))
        (self.site / "pip").mkdir()
        (self.site / "pip" / "__init__.py").touch()
        (self.site / "pip" / "__main__.py").write_text(PIP)
        self.publish(installed)
        self.pip("install", f"toy=={installed}")

    def publish(self, *versions: str) -> None:
        with (self.index / "versions").open("a") as file:
            file.write(" ".join(versions) + "\n")

    def pip(self, *words: str) -> None:
        subprocess.run(
            [self.path / "bin/python", "-m", "pip", *words],
            env={**os.environ, "TOY_INDEX": str(self.index)},
            check=True,
            stdout=subprocess.DEVNULL,
        )

    @property
    def calls(self) -> list[str]:
        return (self.index / "calls").read_text().splitlines()

    @property
    def version(self) -> str:
        """As its own script says it."""
        done = subprocess.run([self.path / "bin/toy"], capture_output=True, text=True, check=True)
        return done.stdout.strip()


async def component(bridge: Running, name: str, *, refresh: bool = False) -> dict[str, Any]:
    return (await call(bridge, "machine.update.status", refresh=refresh))["version_info"][name]


def left_over(folder: Path) -> list[str]:
    """What an update has made and not cleared away; the version before is kept on purpose."""
    return [
        path.name
        for path in folder.iterdir()
        if path.name.startswith(".") and not path.name.endswith(".previous")
    ]
