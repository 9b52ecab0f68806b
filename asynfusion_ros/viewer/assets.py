"""What the page shows: a ready look, the user's own avatar, or a robot with its meshes."""

from __future__ import annotations

import re
import xml.etree.ElementTree as Xml
from pathlib import Path
from typing import Final

from aiohttp import web

from asynfusion_ros.errors import ConfigError, MessageError, brief
from asynfusion_ros.resources import find_resource
from asynfusion_ros.retarget.meshes import find_mesh
from asynfusion_ros.viewer.avatar_map import AvatarMap
from asynfusion_ros.viewer.looks import LOOKS

TEXTURES: Final = (".png", ".jpg", ".jpeg")
MOST_URDF_BYTES: Final = 4_000_000
MOST_MESHES: Final = 1000
_ENTITY = re.compile(r"<!(DOCTYPE|ENTITY)", re.IGNORECASE)


class Assets:
    """Files for the page, and nothing beside them."""

    def __init__(self, look: str = LOOKS[0], avatar: AvatarMap | None = None) -> None:
        """Show `look`, or the `avatar` of a map; raise ConfigError for a look that is not there."""
        if look not in LOOKS:
            raise ConfigError(f"there is no look {brief(look)}; choose one of {', '.join(LOOKS)}")
        self._look, self._avatar = look, avatar
        self._urdf = ""
        self._meshes: list[Path | None] = []

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Serve the files."""
        router.add_get("/avatar.glb", self._send_avatar)
        router.add_get("/avatar.json", self._send_map)
        router.add_get("/robot.urdf", self._send_urdf)
        router.add_get(r"/robot/{number:\d{1,4}}/{file:.+}", self._send_mesh)

    async def _send_avatar(self, request: web.Request) -> web.FileResponse:
        look = request.query.get("look")
        if look is None and self._avatar is not None:
            return web.FileResponse(self._avatar.path)
        if look is not None and look not in LOOKS:
            raise web.HTTPNotFound(text=f"looks: {', '.join(LOOKS)}")
        return web.FileResponse(find_resource(f"models/avatar/{look or self._look}.glb"))

    async def _send_map(self, request: web.Request) -> web.Response:
        own = None if self._avatar is None else self._avatar.for_page()
        return web.json_response({"looks": LOOKS, "look": self._look, "map": own})

    # ---- robots --------------------------------------------------------------------------------

    def set_robot(self, urdf: str, folder: Path | None = None) -> list[str]:
        """Take a robot's description; return the meshes that are not there.

        Meshes are those of packages that are installed here (package://), and below `folder`
        those with relative names. Raises MessageError for what is no URDF.
        """
        if len(urdf) > MOST_URDF_BYTES or _ENTITY.search(urdf):
            raise MessageError("robot_description is too long, or declares entities; not shown")
        try:
            root = Xml.fromstring(urdf)
        except Xml.ParseError as error:
            raise MessageError(f"robot_description is no XML ({error}); not shown") from error
        if root.tag != "robot":
            raise MessageError(f"robot_description is a {brief(root.tag)}, not a URDF; not shown")
        meshes = list(root.iter("mesh"))
        if len(meshes) > MOST_MESHES:
            raise MessageError(f"{len(meshes)} meshes; at most {MOST_MESHES} are shown")
        found: list[Path | None] = []
        missing = []
        for number, mesh in enumerate(meshes):
            name = mesh.get("filename", "")
            path = find_mesh(name, folder)
            found.append(path)
            if path is None:
                missing.append(name)
            mesh.set("filename", f"robot/{number}/mesh{Path(name).suffix.lower()}")
        self._meshes, self._urdf = found, Xml.tostring(root, encoding="unicode")
        return missing

    async def _send_urdf(self, request: web.Request) -> web.Response:
        if not self._urdf:
            raise web.HTTPNotFound(text="no robot yet: nobody has sent robot_description")
        return web.Response(text=self._urdf, content_type="application/xml")

    async def _send_mesh(self, request: web.Request) -> web.FileResponse:
        number, file = int(request.match_info["number"]), request.match_info["file"]
        path = self._meshes[number] if number < len(self._meshes) else None
        if path is not None and file != f"mesh{path.suffix.lower()}":
            path = _texture(path.parent, file)
        if path is None:
            raise web.HTTPNotFound(text="this mesh or texture is not on the machine")
        return web.FileResponse(path)


def _texture(folder: Path, name: str) -> Path | None:
    """Return a picture that lies with a mesh, or below it; None for anything else."""
    try:
        path = (folder / name).resolve()
        inside = path.is_relative_to(folder.resolve()) and path.is_file()
    except (OSError, ValueError):
        return None
    return path if inside and path.suffix.lower() in TEXTURES else None
