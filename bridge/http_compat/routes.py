"""Paths and verbs: where a request goes."""

from collections.abc import Awaitable, Callable
from typing import Protocol
from urllib.parse import unquote

from bridge.errors import UnknownMethod
from bridge.http_compat import answers, arguments, web
from bridge.http_compat.guard import Visitor
from bridge.rpc import Access, Method, Registry, printable

Page = Callable[[web.BaseRequest, str, Visitor], Awaitable[web.StreamResponse]]  # with the undecoded query
Verbs = dict[str, Page]
Branch = Callable[[web.BaseRequest, str, Visitor, str], Awaitable[web.StreamResponse]]  # and the path's rest


class Pages(Protocol):
    """What belongs together, and is no method of the table."""

    def add_to(self, routes: "Routes") -> None:
        """Offer the pages."""


NO_PAGE = "This is an API, such as /server/info; its page is a web UI of its own: Mainsail, Fluidd"
FALLBACK = "/printer/"  # what Klippy offers at run time is found below it


class Routes:
    """The table of pages: one for each verb of each path."""

    def __init__(self, registry: Registry, *, max_body: int) -> None:
        self._registry, self._max_body = registry, max_body
        self._pages: dict[str, Verbs] = {}
        self._trees: dict[str, dict[str, Branch]] = {}  # by what their paths begin with

    def add(self, verb: str, path: str, page: Page) -> None:
        """Offer a page; HEAD comes with GET; the same twice is a bug."""
        verbs = self._pages.setdefault(path, {})
        if verb in verbs:
            raise ValueError(f"{verb} {path} is claimed twice")
        verbs[verb] = page
        if verb == "GET":
            verbs["HEAD"] = page

    def add_tree(self, verb: str, prefix: str, page: Branch) -> None:
        """Offer a page for all paths that begin with `prefix`, and are not offered otherwise."""
        verbs = self._trees.setdefault(prefix, {})
        for one in (verb, "HEAD") if verb == "GET" else (verb,):
            if one in verbs:
                raise ValueError(f"{one} {prefix}… is claimed twice")
            verbs[one] = page

    def add_methods(self) -> None:
        """Offer every method that names a path."""
        for method in self._registry.methods.values():
            prefix, _, rest = str(method.path).partition("{")
            for verb in method.verbs:
                if rest:
                    self.add_tree(verb, prefix, self._branch(method, rest.rstrip("}")))
                else:
                    self.add(verb, prefix, self._page(method))

    def find(self, path: str) -> Verbs:
        """The pages of a path as it stands in the request, or UnknownMethod."""
        found, raw = self._pages.get(path), path
        if found is None and ("%" in path or path.endswith("/")):
            path = unquote(path).rstrip("/")
            found = self._pages.get(path)
        if found is None and path.startswith(FALLBACK):
            found = self._offered_by_klippy(path)
        if found is None:
            found = self._in_a_tree(raw)
        if found is None:
            raise UnknownMethod(f"There is nothing at {printable(path)}" if path else NO_PAGE)
        return found

    def _in_a_tree(self, path: str) -> Verbs | None:
        """The pages of the tree that a path is in; its rest is decoded once."""
        prefix = max((one for one in self._trees if path.startswith(one)), key=len, default=None)
        if prefix is None:
            return None
        rest = unquote(path[len(prefix) :])
        return {verb: _bound(page, rest) for verb, page in self._trees[prefix].items()}

    def _offered_by_klippy(self, path: str) -> Verbs | None:
        name = path[1:].replace("/", ".")
        if name in self._registry.methods:
            return None  # ours, and not to be found here
        try:
            method = self._registry.find(name)
        except UnknownMethod:
            return None
        page = self._page(method)
        return {"POST": page, "GET": page, "HEAD": page} if method.access is Access.READ else {"POST": page}

    def _page(self, method: Method) -> Page:
        run, limit = self._registry.run, self._max_body

        async def page(request: web.BaseRequest, query: str, visitor: Visitor) -> web.StreamResponse:
            given = await arguments.collect(request, query, limit)
            return answers.result(await run(method, given, visitor))

        return page

    def _branch(self, method: Method, name: str) -> Branch:
        """A method whose path ends in its argument `name`."""
        run, limit = self._registry.run, self._max_body

        async def page(
            request: web.BaseRequest, query: str, visitor: Visitor, rest: str
        ) -> web.StreamResponse:
            given = await arguments.collect(request, query, limit)
            return answers.result(await run(method, given | {name: rest}, visitor))

        return page


def _bound(page: Branch, rest: str) -> Page:
    return lambda request, query, visitor: page(request, query, visitor, rest)


def allowed(verbs: Verbs) -> str:
    """The `Allow` header of a path."""
    return ", ".join(sorted({*verbs, "OPTIONS"}))
