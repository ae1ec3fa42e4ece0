"""The road network for SUMO: four arms, a fixed signal plan, and separate edges for vehicles against the traffic."""

import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import sumo  # type: ignore[import-untyped]  # comes without types

from simulator.layout import ARM_M, BOX_M, CROSS_GREEN, CYCLE_S, GREEN_S, HALF_M, LANE_M, LANES, LIMIT_KMH, YELLOW_S

ARMS = {"W": (-1, 0), "E": (1, 0), "N": (0, 1), "S": (0, -1)}
OPPOSITE = {"W": "E", "E": "W", "N": "S", "S": "N"}
WRONG_WAY_Y = {"Wm": -(HALF_M + 0.55), "Wc": -(HALF_M - LANE_M / 2)}  # on the shoulder; in the kerb lane
WRONG_WAY_END_X = -28.0  # they leave the network here, before the first camera sees them


def program(name: str) -> Path:
    return Path(sumo.SUMO_HOME) / "bin" / name


def build(folder: Path) -> None:
    """Write net.xml and signals.xml into `folder`."""
    speed = LIMIT_KMH / 3.6
    nodes = ['<node id="C" x="0" y="0" type="traffic_light" tl="C"/>']
    edges = []
    for arm, (x, y) in ARMS.items():
        nodes.append(f'<node id="{arm}" x="{x * ARM_M}" y="{y * ARM_M}" type="priority"/>')
        for edge, start, end in ((f"{arm}i", arm, "C"), (f"{arm}o", "C", arm)):
            edges.append(
                f'<edge id="{edge}" from="{start}" to="{end}" numLanes="{LANES}" speed="{speed}" width="{LANE_M}" '
                'disallow="custom1 rail tram pedestrian"/>'
            )
    # Other vehicles ignore vehicles on these edges; the selection of clips rejects windows in which two vehicles overlap.
    for ghost, ghost_y in WRONG_WAY_Y.items():
        nodes.append(f'<node id="{ghost}0" x="{-ARM_M}" y="{ghost_y}"/><node id="{ghost}1" x="{WRONG_WAY_END_X}" y="{ghost_y}"/>')
        edges.append(
            f'<edge id="{ghost}" from="{ghost}0" to="{ghost}1" numLanes="1" speed="{speed}" width="1" allow="custom1" spreadType="center"/>'
        )
    (folder / "nodes.xml").write_text(f"<nodes>{''.join(nodes)}</nodes>")
    (folder / "edges.xml").write_text(f"<edges>{''.join(edges)}</edges>")
    subprocess.run(
        [
            *(program("netconvert"), "--node-files", folder / "nodes.xml", "--edge-files", folder / "edges.xml"),
            *("--output-file", folder / "net.xml", "--lefthand", "--no-turnarounds", "--offset.disable-normalization"),
            *("--junctions.corner-detail", "8", "--tls.default-type", "static"),
        ],
        check=True,
        capture_output=True,
    )
    net = ET.parse(folder / "net.xml").getroot()
    _check_box(net)
    (folder / "signals.xml").write_text(_signals(net))


def _check_box(net: ET.Element) -> None:
    """SUMO computes where a lane ends; the rendered picture has to agree with it. Raises RuntimeError."""
    lane = next(lane for lane in net.iter("lane") if lane.get("id") == "Wi_0")
    end_x = float((lane.get("shape") or "").split()[-1].split(",")[0])
    if abs(end_x + BOX_M) > 0.05:
        raise RuntimeError(f"the western lane ends at x = {end_x}, in layout.py it is {-BOX_M}")


def _signals(net: ET.Element) -> str:
    """A fixed signal plan. The plan of netconvert adds a phase for turns, in which one arm shows two lamps."""
    links = sorted((int(c.get("linkIndex") or 0), (c.get("from") or "")[0], c.get("dir")) for c in net.iter("connection") if c.get("tl"))

    def state(arms: str, lamp: str) -> str:
        return "".join("r" if arm not in arms else "g" if lamp == "G" and turn in "rRt" else lamp for _, arm, turn in links if turn)

    cross_start, cross_end = CROSS_GREEN
    phases = [
        (GREEN_S, state("WE", "G")),
        (YELLOW_S, state("WE", "y")),
        (cross_start - GREEN_S - YELLOW_S, state("", "r")),
        (cross_end - cross_start, state("NS", "G")),
        (YELLOW_S, state("NS", "y")),
        (CYCLE_S - cross_end - YELLOW_S, state("", "r")),
    ]
    rows = "".join(f'<phase duration="{seconds}" state="{lamps}"/>' for seconds, lamps in phases)
    return f'<additional><tlLogic id="C" type="static" programID="plan" offset="0">{rows}</tlLogic></additional>'
