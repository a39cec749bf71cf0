"""Every error of the bridge: one root, one class a situation, and the only place that knows wire codes."""


class BridgeError(Exception):
    """Root of all errors; `status` is the HTTP status, `code` the JSON-RPC code (the status unless given)."""

    status = 500
    code: int | None = None

    @property
    def rpc_code(self) -> int:
        """The number for `error.code` in a JSON-RPC answer."""
        return self.code if self.code is not None else self.status


class InternalError(BridgeError):
    """A bug of ours: logged with its trace, answered without it."""

    code = -32603


class ParseError(BridgeError):
    """The payload is not JSON."""

    status, code = 400, -32700


class TooDeep(ParseError):
    """JSON that is nested deeper than anything here needs."""

    status = 413


class InvalidRequest(BridgeError):
    """The JSON is no JSON-RPC 2.0 request."""

    status, code = 400, -32600


class UnknownMethod(BridgeError):
    """No method, or no route, of that name."""

    status, code = 404, -32601


class BadParams(BridgeError):
    """An argument is missing, of the wrong type or out of its bounds."""

    status, code = 400, -32602


class BadRequest(BridgeError):
    """The request cannot be carried out as it was put."""

    status = 400


class KlippyError(BridgeError):
    """Klippy answered with an error; the message is Klippy's own, whole."""

    status = 400


class Unauthorized(BridgeError):
    """Nobody we know: no valid key, token or password, and no trusted address."""

    status = 401


class Forbidden(BridgeError):
    """Known, but not allowed to call this class of method."""

    status = 403


class NotFound(BridgeError):
    """The thing that was asked for does not exist."""

    status = 404


class MethodNotAllowed(BridgeError):
    """The route exists, but not with this HTTP verb."""

    status = 405


class Conflict(BridgeError):
    """The state of the printer or of a job does not permit it now."""

    status = 409


class TooLarge(BridgeError):
    """The request or its answer is larger than this door lets through."""

    status = 413


class Unprocessable(BridgeError):
    """What came is not what its sender says it is."""

    status = 422


class TooManyRequests(BridgeError):
    """One caller asks for more than its share; it may try again later."""

    status = 429


class HeadersTooLarge(BridgeError):
    """The request line or the headers are larger than anything here needs."""

    status = 431


class NoSpace(BridgeError):
    """The disk has no room for it; what was there is whole."""

    status = 507


class KlippyUnavailable(BridgeError):
    """Klippy's socket is not connected, or Klippy is not far enough to answer."""

    status = 503


class Busy(BridgeError):
    """A bound of the bridge is reached; the caller may try again."""

    status = 503


class LinkDown(BridgeError):
    """The MQTT broker is not connected."""

    status = 503


class DeviceFailed(BridgeError):
    """A device or a service beside the printer did not do or answer what it was asked."""

    status = 502


class TimedOut(BridgeError):
    """No answer came in the time that was allowed."""

    status = 504


class DuplicateRequest(BridgeError):
    """The same request came twice over MQTT (the code is what Moonraker's clients expect)."""

    status, code = 409, -10000


class ConfigError(BridgeError):
    """The configuration cannot be used; the message names the YAML path and the remedy."""

    status = 400


def describe(error: BridgeError) -> dict[str, object]:
    """The `error` object of a JSON-RPC answer."""
    return {"code": error.rpc_code, "message": str(error)}
