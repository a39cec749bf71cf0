"""The SD card in the machine, by its registers."""

from typing import Any

from bridge.host.kernel import Kernel

BLOCKS = "/sys/block"
SECTOR, GIB = 512, 1 << 30
MAKERS = {
    "01": "Panasonic",
    "02": "Toshiba",
    "03": "Sandisk",
    "08": "Silicon Power",
    "18": "Infineon",
    "1b": "Samsung",
    "1d": "AData",
    "27": "Phison",
    "28": "Barun Electronics",
    "31": "Silicon Power",
    "41": "Kingston",
    "51": "STEC",
    "5d": "SwissBit",
    "61": "Netlist",
    "63": "Cactus",
    "73": "Bongiovi",
    "74": "Jiang Electronics",
    "76": "PNY",
    "82": "Gobe",
    "9c": "Hoodman",
    "9f": "Taishin",
    "ad": "Longsys",
}


def read(kernel: Kernel) -> dict[str, Any]:
    """What the first card says of itself; empty where there is none."""
    cards = (name for name in kernel.names(BLOCKS) if name.startswith("mmcblk") and "boot" not in name)
    for name in cards:
        device = f"{BLOCKS}/{name}/device"
        if kernel.text(f"{device}/type") == "SD":
            return _registers(kernel, device, (kernel.number(f"{BLOCKS}/{name}/size") or 0) * SECTOR)
    return {}


def _registers(kernel: Kernel, device: str, size: int) -> dict[str, Any]:
    def register(name: str) -> str:
        return kernel.text(f"{device}/{name}").removeprefix("0x").lower()

    maker, revision = register("manfid")[-2:], register("hwrev")
    return {
        "manufacturer_id": maker,
        "manufacturer": MAKERS.get(maker, "Unknown"),
        "oem_id": register("oemid"),
        "product_name": kernel.text(f"{device}/name"),
        "product_revision": f"{revision}.{register('fwrev')}" if revision else "",
        "serial_number": register("serial"),
        "manufacturer_date": kernel.text(f"{device}/date").lstrip("0"),
        "capacity": f"{size / GIB:.1f} GiB",
        "total_bytes": size,
    }
