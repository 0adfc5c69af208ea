"""The path below which a proxy serves the gateway, as `/app`: taken off requests here, added to links by Quart."""

from typing import Any, AnyStr

from .body_flow import ASGI


class RootPath:
    """ASGI middleware: what it calls sees paths without the prefix, and the prefix as `root_path`.

    The proxy may take it off by itself (`handle_path` of Caddy, a final slash in `proxy_pass` of nginx) or leave it
    where it is. `root_path` of the setting counts; without it, that of the server (`--root-path`).
    """

    def __init__(self, app: ASGI, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one scope (ASGI 3)."""
        if scope["type"] == "http" and (root := self._root_path or scope.get("root_path", "").rstrip("/")):
            paths = {"path": _strip(scope["path"], root), "raw_path": _strip(scope["raw_path"], root.encode())}
            scope = {**scope, "root_path": root, **paths}
        await self._app(scope, receive, send)


def _strip(path: AnyStr, root: AnyStr) -> AnyStr:
    rest = path.removeprefix(root)
    if not rest:
        return path[:1]
    return rest if rest[:1] == path[:1] else path
