"""What the machine is: processor, memory, distribution, virtualization, Python, network."""

import os
import platform
import socket
import sys
from typing import Any

import distro
import psutil

from bridge.host import canbus, sdcard
from bridge.host.kernel import Kernel, fields, told

FAMILIES = {socket.AF_INET: "ipv4", socket.AF_INET6: "ipv6"}
CONTAINERS = {
    "/.dockerenv": "docker",
    "/run/.containerenv": "podman",
    "/proc/vz": "openvz",
    "/var/run/secrets/kubernetes.io": "kubernetes",
}
# words of the machine's own name for itself -> what it runs in
MACHINES = {
    "qemu": "qemu",
    "kvm": "kvm",
    "virtualbox": "oracle",
    "vmware": "vmware",
    "xen": "xen",
    "microsoft": "microsoft",
    "parallels": "parallels",
    "bochs": "bochs",
}


def about(kernel: Kernel) -> dict[str, Any]:
    """All of it; what cannot be known is empty, null or 0."""
    return {
        "python": {"version": list(sys.version_info), "version_string": sys.version.replace("\n", " ")},
        "cpu_info": cpu(kernel),
        "sd_info": sdcard.read(kernel),
        "distribution": distribution(kernel),
        "virtualization": virtualization(kernel),
        "network": network(),
        "canbus": canbus.interfaces(kernel),
    }


def cpu(kernel: Kernel) -> dict[str, Any]:
    """The processor and the memory."""
    found = fields(kernel.text("/proc/cpuinfo"))
    model = found.get("Model") or kernel.text("/proc/device-tree/model")
    return {
        "cpu_count": os.cpu_count(),
        "bits": platform.architecture()[0],
        "processor": platform.machine(),
        "cpu_desc": found.get("model name") or found.get("Processor", ""),
        "serial_number": found.get("Serial") or kernel.text("/proc/device-tree/serial-number"),
        "hardware_desc": found.get("Hardware", ""),
        "model": model or kernel.text("/sys/class/dmi/id/product_name"),
        "total_memory": told(lambda: psutil.virtual_memory().total // 1024, None),
        "memory_units": "kB",
    }


def distribution(kernel: Kernel) -> dict[str, Any]:
    """The operating system, by its release file."""
    major, minor, build = told(distro.version_parts, ("", "", ""))
    return {
        "name": told(lambda: distro.name(pretty=True), ""),
        "id": told(distro.id, ""),
        "version": told(distro.version, ""),
        "version_parts": {"major": major, "minor": minor, "build_number": build},
        "like": told(distro.like, ""),
        "codename": told(distro.codename, ""),
        "release_info": _release(kernel),
        "kernel_version": platform.release(),
    }


def _release(kernel: Kernel) -> dict[str, str]:
    """What images of printers say of themselves, such as MainsailOS."""
    for name in kernel.names("/etc"):
        if name.endswith("-release") and name not in ("os-release", "lsb-release"):
            words = kernel.text(f"/etc/{name}").splitlines()
            pairs = (line.partition("=") for line in words)
            found = {key.strip().lower(): value.strip(" \"'") for key, sign, value in pairs if sign}
            if "dist_name" in found or "name" in found:
                return {
                    "name": found.get("dist_name", found.get("name", "")),
                    "version_id": found.get("dist_version", found.get("version_id", "")),
                    "id": found.get("id", name.removesuffix("-release")),
                }
    return {}


def virtualization(kernel: Kernel) -> dict[str, str]:
    """What the machine is inside of: a container, a virtual machine, or nothing."""
    for sign, name in CONTAINERS.items():
        if kernel.exists(sign):
            return {"virt_type": "container", "virt_id": name, "virt_identifier": name}
    told_by_init = kernel.text("/run/systemd/container")
    if told_by_init:
        return {"virt_type": "container", "virt_id": told_by_init, "virt_identifier": told_by_init}
    names = " ".join(
        kernel.text(f"/sys/class/dmi/id/{part}") for part in ("sys_vendor", "product_name", "board_vendor")
    ).lower()
    machine = next((name for words, name in MACHINES.items() if words in names), "none")
    kind = "none" if machine == "none" else "vm"
    return {"virt_type": kind, "virt_id": machine, "virt_identifier": machine}


def network() -> dict[str, Any]:
    """Every interface but the loopback, with its addresses."""
    found: dict[str, Any] = {}
    interfaces: dict[str, Any] = told(psutil.net_if_addrs, {})
    for name, addresses in interfaces.items():
        known = [
            {
                "family": FAMILIES[address.family],
                "address": address.address.partition("%")[0],
                "is_link_local": address.address.lower().startswith(("fe80:", "169.254.")),
            }
            for address in addresses
            if address.family in FAMILIES
        ]
        hardware = next((a.address for a in addresses if a.family == psutil.AF_LINK), "")
        if known and name != "lo":
            found[name] = {"mac_address": hardware, "ip_addresses": known}
    return found
