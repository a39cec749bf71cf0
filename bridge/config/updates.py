"""What the bridge keeps up to date, where it looks, and how often; nothing unless it is named here."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bridge.config.machine import ServiceName
from bridge.config.section import Section

Channel = Literal["stable", "beta", "dev"]
Published = Literal["stable", "beta"]  # what is released as a whole has no commits to follow
GitHubRepo = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$", description="owner/name")]
Word = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./@+-]*$")]  # never an option of git or pip
Inside = Annotated[str, Meta(pattern=r"^(?!/)(?!(?:.*/)?\.\.(?:/|$)).+$")]  # below the component's folder
Address = Annotated[str, Meta(pattern=r"^[^-\s]\S*$")]
Folder = Annotated[str, Meta(min_length=1, description="its folder on this machine")]
Hours = Annotated[float, Meta(ge=0, le=8760)]
Hour = Annotated[int, Meta(ge=0, le=23)]


class Component(Section, frozen=True):
    """What every kind of component has."""

    services: Annotated[
        list[ServiceName], Meta(description="services that are restarted when it is new; klipper among them")
    ] = msgspec.field(default_factory=list)


class GitRepo(Component, frozen=True, kw_only=True, tag_field="type", tag="git_repo"):
    """A git repository that follows a branch of its remote, or its releases."""

    path: Folder
    origin: Annotated[
        Address | None, Meta(description="address the remote has to have; null: whatever it has")
    ] = None
    branch: Annotated[Word | None, Meta(description="branch to follow; null: the remote's own")] = None
    channel: Annotated[
        Channel, Meta(description="dev: each commit; beta and stable: tags, with and without pre-releases")
    ] = "dev"
    pinned_commit: Annotated[
        Annotated[str, Meta(pattern=r"^[0-9a-f]{7,40}$")] | None,
        Meta(description="stay at this commit; the first 8 characters or more"),
    ] = None
    virtualenv: Annotated[str | None, Meta(description="folder of its Python environment")] = None
    requirements: Annotated[Word | None, Meta(description="its file of Python packages, below `path`")] = None


class Web(Component, frozen=True, kw_only=True, tag_field="type", tag="web"):
    """A web UI, or anything else that is a zip file of a GitHub release."""

    path: Folder
    repo: GitHubRepo
    channel: Annotated[Published, Meta(description="stable, or beta: pre-releases, too")] = "stable"
    asset: Annotated[Word | None, Meta(description="name of the zip file; null: the only one")] = None
    persistent_files: Annotated[
        list[Inside], Meta(description="files and folders below `path` that an update keeps")
    ] = msgspec.field(default_factory=list)


class Zip(Web, frozen=True, kw_only=True, tag_field="type", tag="zip"):
    """An application that is such a zip file, with a Python environment."""

    virtualenv: Annotated[str | None, Meta(description="folder of its Python environment")] = None
    requirements: Annotated[Word | None, Meta(description="its file of Python packages, below `path`")] = None


class PythonPackage(Component, frozen=True, kw_only=True, tag_field="type", tag="python"):
    """A Python package in an environment of its own."""

    virtualenv: Annotated[str, Meta(min_length=1, description="folder of its Python environment")]
    project: Annotated[Word | None, Meta(description="name on the package index; null: the component's")] = (
        None
    )
    extras: Annotated[list[Word], Meta(description="its optional parts")] = msgspec.field(
        default_factory=list
    )
    channel: Annotated[Published, Meta(description="stable, or beta: pre-releases, too")] = "stable"


UpdatedComponent = GitRepo | Web | Zip | PythonPackage


class Updates(Section, frozen=True):
    """Updates; off while nothing is named."""

    components: Annotated[
        dict[str, UpdatedComponent], Meta(description="what is kept up to date; docs/updates.md shows each")
    ] = msgspec.field(default_factory=dict)
    system: Annotated[bool, Meta(description="also the packages of the system, by apt or PackageKit")] = False
    refresh_interval: Annotated[
        Hours, Meta(description="hours between two looks by itself; 0: only when asked")
    ] = 0.0
    refresh_window: Annotated[
        list[Hour],
        Meta(min_length=2, max_length=2, description="hours of the day in which it looks by itself"),
    ] = msgspec.field(default_factory=lambda: [0, 5])
    api: Annotated[str, Meta(description="where releases are asked for; another one for a mirror")] = (
        "https://api.github.com"
    )
    token: Annotated[str | None, Meta(description="access token that raises GitHub's limit")] = None


def kind(settings: UpdatedComponent) -> str:
    """The kind of a component, as the configuration has it."""
    return str(settings.__struct_config__.tag)
