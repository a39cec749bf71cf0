"""What is never written: anything that changes every second. A card in a printer is to last."""

from pathlib import Path

from bridge.klippy.simulator import Simulator
from tests.conftest import Start
from tests.jobs.desk import desk
from tests.wire import until

FOR_EVER = "G28\n" + "G1 X200 F600\nG1 X0\n" * 2000


async def test_nothing_is_written_while_a_print_goes_on(
    start: Start, klippy: Simulator, tmp_path: Path
) -> None:
    (tmp_path / "data" / "gcodes" / "a.gcode").write_text(FOR_EVER)
    bridge = await start()
    store, records = bridge.bridge.store, bridge.bridge.library._records

    async def changes() -> int:
        """Rows that were ever changed; what was asked of the store before is done by then."""
        return await store.read(lambda db: db.rows.connection.total_changes)

    assert bridge.bridge.http is not None
    async with desk(bridge.bridge.http.url) as client:
        before = await changes()
        await client.call("printer.print.start", filename="a.gcode")
        await client.hears("notify_history_changed", lambda one: one["action"] == "added")
        await until(lambda: (one := records.get("a.gcode")) and one.job_id and not records._dirty)
        begun = await changes()
        assert begun > before  # its record, and the file's
        running = bridge.bridge.tracker.running
        assert running is not None
        seconds = len(client.of("notify_proc_stat_update"))
        await until(lambda: len(client.of("notify_proc_stat_update")) >= seconds + 3)
        later = bridge.bridge.tracker.running
        assert later is not None
        assert later.total_duration > running.total_duration + 10  # the printer's time runs faster
        assert await changes() == begun
        await client.call("printer.print.cancel")
        await client.hears("notify_history_changed", lambda one: one["action"] == "finished")
        assert await changes() > begun
