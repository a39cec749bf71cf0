"""When pictures go out over MQTT, and of which cameras: at a pace, while a job runs, never retained."""

import asyncio

from bridge.klippy.simulator import Simulator, write_sample
from tests.conftest import Running, Start
from tests.power.calls import call, entities
from tests.webcams.camera import PICTURE, camera
from tests.wire import Ear, Mosquitto, ear

INTERVAL = 1.0  # seconds; the least that can be configured
CAMERAS = {
    "bed": {"snapshot_url": "/webcam/"},
    "off": {"snapshot_url": "/webcam/?off", "enabled": False},
    "moving": {"stream_url": "/webcam/?stream"},
}


async def began(bridge: Running, tmp_path) -> None:
    """A job that lasts, and lets the machine rest: it is paused."""
    write_sample(tmp_path / "data" / "gcodes" / "a.gcode", size=200, layers=200, heat=False)
    await call(bridge, "printer.print.start", filename="a.gcode")
    await call(bridge, "printer.print.pause")


async def test_pictures_come_at_their_pace_while_a_job_runs_and_leave_nothing_behind(
    klippy: Simulator, start: Start, broker: Mosquitto, mqtt: Ear, tmp_path
) -> None:
    async with camera() as lens:
        bridge = await start(webcams={"base_url": lens.url, "interval": INTERVAL, "cameras": CAMERAS})
        topic = bridge.topics.webcam_snapshot("bed")
        await began(bridge, tmp_path)
        await mqtt.until(lambda: len(mqtt.on(topic)) == 3)
        first, second, third = mqtt.on(topic)
        assert third.when - second.when > INTERVAL * 0.9
        assert third.when - first.when < INTERVAL * 10
        assert {m.payload for m in mqtt.on(topic)} == {PICTURE}
        mqtt.forget()
        await call(bridge, "printer.print.cancel")
        await mqtt.message(topic)  # how it ended
        asked = lens.asked
        await asyncio.sleep(INTERVAL * 1.2)  # that nothing comes has no sign
        assert lens.asked <= asked + 1  # one may have been on its way when the job ended
        asked = lens.asked
        async with ear(broker.port, f"{bridge.name}/webcam/#", "fence") as late:
            await mqtt.say("fence", "")
            await late.message("fence")
            assert late.on(bridge.name) == []
        assert lens.asked == asked


async def test_a_camera_that_is_off_or_has_no_picture_is_not_shown(
    klippy: Simulator, start: Start, mqtt: Ear, tmp_path
) -> None:
    async with camera() as lens:
        bridge = await start(webcams={"base_url": lens.url, "cameras": CAMERAS})
        assert len((await call(bridge, "server.webcams.list"))["webcams"]) == 3
        found = await entities(bridge, mqtt, "Bed camera")
        assert [name for name, one in found.items() if one["platform"] == "camera"] == ["Bed camera"]
        await began(bridge, tmp_path)
        await mqtt.message(bridge.topics.webcam_snapshot("bed"))
        assert {m.topic for m in mqtt.heard if "/webcam/" in m.topic} == {
            bridge.topics.webcam_snapshot("bed")
        }
        assert lens.asked == 1


async def test_nothing_is_fetched_before_a_job_begins(klippy: Simulator, start: Start, mqtt: Ear) -> None:
    async with camera() as lens:
        bridge = await start(webcams={"base_url": lens.url, "interval": INTERVAL, "cameras": CAMERAS})
        await asyncio.sleep(INTERVAL * 1.2)  # that nothing comes has no sign
        assert bridge.bridge.tracker.current is None
        assert lens.asked == 0
